/* The reader: one process for one document that anybody may have written, without network, files and privileges. It checks
 * the signature, parses, and writes a struct schedule_reading. */
#pragma once

#define READER_NAME "interrex-reader"

/* The descriptors that it is started with. */
enum reader_descriptor { READER_DOCUMENT = 3, READER_RESULT, READER_SIGNATURE };

/* KIND NODE [--key KEY]... [--name NAME=VERSION]... [--compatible VERSION]... [--sequence] [--signature]. --sequence: a document
 * must have a number; --signature: READER_SIGNATURE is there. Exit status 0: the result is written. */
int reader_main(int argc, char **argv);
