"""Any robot over UDP on this machine, and an example of one."""
