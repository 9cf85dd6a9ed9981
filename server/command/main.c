/* The program's entry: hands the arguments to the verbs. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "command/command.h"

int
main(int argc, char **argv)
{
    return command_run(argc, argv);
}
