// The host has its own: host.cpp.
