/* Role entry of the director: decides. argv: --link FD, the socket to the keeper. */
#pragma once

int director_main(int argc, char **argv);
