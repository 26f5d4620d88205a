// Package packet captures the frames of a link and sends frames that were made by hand, over packet sockets
// (packet(7)); it decodes frames into layers with fields, makes frames of layers, and writes them to files.
//
// It owns the sockets, the memory that the kernel writes frames to, and what the fields of a layer are called. It knows
// neither Starlark nor how a namespace is entered: the caller passes a function that runs another one on an OS thread
// inside the namespace. A capture ends when it is closed, and with the process. All frames are hostile input.
package packet
