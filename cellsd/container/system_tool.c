/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsd/container/system_tool.h"

#include "cellsd/container/init_process.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define FILE_NUMBER 3 /* as in SYSTEM_TOOL_FILE */

static void exec_system_tool(int file, char *const argv[])
{
	static char *const no_env[] = { NULL };
	unsigned int first_unused = FILE_NUMBER;
	char path[64];

	init_process_reset_inherited(FILE_NUMBER);
	if (file >= 0) {
		if (dup2(file, FILE_NUMBER) < 0)
			return;
		fcntl(FILE_NUMBER, F_SETFD, 0);
		first_unused++;
	}
	close_range(first_unused, ~0U, 0);
	snprintf(path, sizeof(path), "/usr/sbin/%s", argv[0]);
	execve(path, argv, no_env);
	execve(path + strlen("/usr"), argv, no_env);
}

int system_tool_run(int file, char *const argv[])
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		exec_system_tool(file, argv);
		_exit(SYSTEM_TOOL_NOT_FOUND);
	}
	if (pid < 0)
		return -errno;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}
