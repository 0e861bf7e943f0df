package server

// CPUTimes adds up the CPU seconds of processes and their children.
var CPUTimes = cpuTimes
