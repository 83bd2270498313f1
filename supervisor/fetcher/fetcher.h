/* The fetcher: one process for one document from the network, without privileges. It gets bytes and looks at none of them. */
#pragma once

#define FETCHER_NAME "interrex-fetcher"

/* The descriptors that it is started with: where it writes to. */
enum fetcher_descriptor { FETCHER_DOCUMENT = 3, FETCHER_SIGNATURE };

/* URL CA SIGNATURE_URL. CA: a file of authorities; empty: those of the host. SIGNATURE_URL: what goes to FETCHER_SIGNATURE; empty:
 * nothing. Exit status 0: all is there. Else standard output has a sentence. */
int fetcher_main(int argc, char **argv);
