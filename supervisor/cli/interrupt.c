#include "interrupt.h"

#include <signal.h>

static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
static volatile sig_atomic_t came;

static void on_signal(int number) {
        (void)number;
        came = true;
}

void interrupt_catch(void) {
        for (size_t i = 0; i < ELEMENTS(signals); i++) {
                struct sigaction before, action = {.sa_handler = on_signal}; /* no SA_RESTART */
                if (sigaction(signals[i], NULL, &before) == 0 && before.sa_handler != SIG_IGN)
                        (void)sigaction(signals[i], &action, NULL);
        }
}

bool interrupt_came(void) {
        return came;
}

void interrupt_release(void) {
        for (size_t i = 0; i < ELEMENTS(signals); i++) {
                struct sigaction now;
                if (sigaction(signals[i], NULL, &now) == 0 && now.sa_handler == on_signal)
                        (void)signal(signals[i], SIG_DFL);
        }
}

void interrupt_block(void) {
        sigset_t set;
        (void)sigemptyset(&set);
        for (size_t i = 0; i < ELEMENTS(signals); i++)
                (void)sigaddset(&set, signals[i]);
        (void)sigprocmask(SIG_BLOCK, &set, NULL);
}
