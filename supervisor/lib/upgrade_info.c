#include "upgrade_info.h"

#include <jansson.h>

int upgrade_info_parse(const char *text, size_t length, char *ret_name, size_t size, uint64_t *ret_height) {
        json_t *info = json_loadb(text, length, JSON_REJECT_DUPLICATES, NULL);
        const char *name = json_string_value(json_object_get(info, "name"));
        const json_t *height = json_object_get(info, "height");
        bool is_right = name && *name && strlen(name) < size && !strpbrk(name, "\n\r\"'\\") &&
                        json_is_integer(height) && json_integer_value(height) > 0;
        if (is_right) {
                text_copy(ret_name, size, name);
                *ret_height = (uint64_t)json_integer_value(height);
        }
        json_decref(info);
        return is_right ? 0 : -EINVAL;
}

int upgrade_name_to_version(const char *name, struct version *ret_version) {
        char text[VERSION_TEXT_MAX];
        const char *number = *name == 'v' || *name == 'V' ? name + 1 : name;
        size_t digits = strspn(number, "0123456789."), dots = 0;
        for (size_t i = 0; i < digits; i++)
                dots += number[i] == '.';
        if (digits == 0 || dots > 2 || (number[digits] != '\0' && dots < 2))
                return -EINVAL;
        (void)snprintf(text, sizeof(text), "%.*s%s%s", (int)(digits < 60 ? digits : 60), number,
                        dots == 0   ? ".0.0"
                        : dots == 1 ? ".0"
                                    : "",
                        number + digits);
        return version_parse(text, ret_version);
}
