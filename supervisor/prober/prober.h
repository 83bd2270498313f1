/* The prober: parses everything that the network or the node itself wrote, with no capabilities, no files of
 * its own and no sockets but those it is handed. */
#pragma once

/* Role entry. argv: --link FD --uid U --gid G. Ends when the link ends. */
int prober_main(int argc, char **argv);
