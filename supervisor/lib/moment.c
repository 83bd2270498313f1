#include "moment.h"

#define DAY_SECONDS 86400U
#define YEAR_FIRST 1970U

static bool is_leap(unsigned year) {
        return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static unsigned days_of_month(unsigned year, unsigned month) {
        static const unsigned char days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
        return days[month - 1] + (month == 2 && is_leap(year) ? 1U : 0U);
}

/* Of all years from 1 to the one before. */
static unsigned days_before_year(unsigned year) {
        unsigned past = year - 1;
        return past * 365 + past / 4 - past / 100 + past / 400;
}

/* Digits stand where the pattern has a 0, all else is as it is there. */
static bool has_form(const char *text, const char *pattern) {
        for (; *pattern; pattern++, text++)
                if (*pattern == '0' ? *text < '0' || *text > '9' : *text != *pattern)
                        return false;
        return *text == '\0';
}

static unsigned digits(const char *text, size_t n) {
        unsigned value = 0;
        for (size_t i = 0; i < n; i++)
                value = value * 10 + (unsigned)(text[i] - '0');
        return value;
}

int moment_parse(const char *text, uint64_t *ret_seconds) {
        if (!has_form(text, "0000-00-00T00:00:00Z"))
                return -EINVAL;
        unsigned year = digits(text, 4), month = digits(text + 5, 2), day = digits(text + 8, 2);
        unsigned hour = digits(text + 11, 2), minute = digits(text + 14, 2), second = digits(text + 17, 2);
        if (year < YEAR_FIRST || month < 1 || month > 12 || day < 1 || day > days_of_month(year, month) ||
                        hour > 23 || minute > 59 || second > 59)
                return -EINVAL;
        uint64_t days = days_before_year(year) - days_before_year(YEAR_FIRST) + day - 1;
        for (unsigned m = 1; m < month; m++)
                days += days_of_month(year, m);
        *ret_seconds = days * DAY_SECONDS + hour * 3600 + minute * 60 + second;
        return 0;
}

int moment_format(uint64_t seconds, char text[MOMENT_TEXT_MAX]) {
        if (seconds > MOMENT_MAX)
                return -ERANGE;
        unsigned days = (unsigned)(seconds / DAY_SECONDS), rest = (unsigned)(seconds % DAY_SECONDS);
        unsigned since = days_before_year(YEAR_FIRST) + days, month = 1;
        /* Near it: a year has 365 days or 366. */
        unsigned year = (unsigned)(since * UINT64_C(400) / 146097) + 1;
        while (days_before_year(year) > since)
                year--;
        while (days_before_year(year + 1) <= since)
                year++;
        unsigned day = since - days_before_year(year);
        for (; day >= days_of_month(year, month); month++)
                day -= days_of_month(year, month);
        (void)snprintf(text, MOMENT_TEXT_MAX, "%04u-%02u-%02uT%02u:%02u:%02uZ", year, month, day + 1,
                        rest / 3600, rest / 60 % 60, rest % 60);
        return 0;
}
