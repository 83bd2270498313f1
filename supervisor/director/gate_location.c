#include "gate_location.h"

#include "interrex.h"
#include "symbols.h"
#include <asm/ptrace.h>

/* Where each calling convention passes its integer arguments. C: System V AMD64; Go: the register ABI of Go 1.17 on. */
#if defined(__x86_64__)
static const uint32_t c_registers[] = {offsetof(struct pt_regs, rdi), offsetof(struct pt_regs, rsi), offsetof(struct pt_regs, rdx),
                offsetof(struct pt_regs, rcx), offsetof(struct pt_regs, r8), offsetof(struct pt_regs, r9)};
static const uint32_t go_registers[] = {offsetof(struct pt_regs, rax), offsetof(struct pt_regs, rbx), offsetof(struct pt_regs, rcx),
                offsetof(struct pt_regs, rdi), offsetof(struct pt_regs, rsi), offsetof(struct pt_regs, r8),
                offsetof(struct pt_regs, r9), offsetof(struct pt_regs, r10), offsetof(struct pt_regs, r11)};
#elif defined(__aarch64__)
/* struct user_pt_regs begins with x0 to x30; both conventions count from x0. */
static const uint32_t c_registers[] = {0, 8, 16, 24, 32, 40, 48, 56};
static const uint32_t go_registers[] = {0, 8, 16, 24, 32, 40, 48, 56, 64};
#else
#error "which registers pass arguments here?"
#endif

static int locate_symbol(int file, const struct gate_config *gate, struct gate_location *ret_location, char **ret_error) {
        struct symbol_location symbol = {0};
        const uint32_t *registers = gate->abi == ABI_GO ? go_registers : c_registers;
        size_t n = gate->abi == ABI_GO ? ELEMENTS(go_registers) : ELEMENTS(c_registers);
        if (gate->argument == 0 || gate->argument > n) {
                if (asprintf(ret_error, "gate.argument %u is not passed in a register; it must be 1 to %zu", gate->argument, n) < 0)
                        *ret_error = NULL;
                return -EINVAL;
        }
        int r = gate->symbol ? symbol_find(file, gate->symbol, &symbol, ret_error)
                             : symbol_find_matching(file, gate->symbol_pattern, &symbol, ret_error);
        if (r < 0)
                return r;
        *ret_location = (struct gate_location){.offset = symbol.offset,
                        .kind = GATE_ARGUMENT_REGISTER,
                        .register_offset = registers[gate->argument - 1],
                        .size = 8};
        text_copy(ret_location->function, sizeof(ret_location->function), symbol.name);
        return 0;
}

static int locate_usdt(int file, const struct gate_config *gate, struct gate_location *ret_location, char **ret_error) {
        struct usdt_location probe = {0};
        int r = usdt_find(file, gate->usdt, gate->argument, &probe, ret_error);
        if (r < 0)
                return r;
        *ret_location = (struct gate_location){.offset = probe.offset,
                        .reference_counter_offset = probe.semaphore_offset,
                        .kind = probe.kind == USDT_CONSTANT ? GATE_ARGUMENT_CONSTANT
                                : probe.kind == USDT_MEMORY ? GATE_ARGUMENT_MEMORY
                                                            : GATE_ARGUMENT_REGISTER,
                        .register_offset = probe.register_offset,
                        .displacement = probe.value,
                        .size = probe.size};
        text_copy(ret_location->function, sizeof(ret_location->function), gate->usdt);
        return 0;
}

int gate_locate(int file, const struct gate_config *gate, struct gate_location *ret_location, char **ret_error) {
        return gate->usdt ? locate_usdt(file, gate, ret_location, ret_error) : locate_symbol(file, gate, ret_location, ret_error);
}
