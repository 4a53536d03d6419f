// TCP over POSIX sockets, as small as the lessons need it: blocking, and bounded by time-outs.
//
// Everything throws std::system_error; a peer that takes too long is std::errc::timed_out.
#pragma once

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <system_error>
#include <utility>

namespace host {

// For peers that may take as long as they like.
constexpr std::chrono::milliseconds forever{-1};

[[noreturn]] inline void throw_errno(const char* what, int error = errno) {
    throw std::system_error(error, std::generic_category(), what);
}

class Socket {
public:
    explicit Socket(int fd) : fd_(fd) {
        if (fd < 0) throw_errno("socket");
    }
    Socket(Socket&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    Socket& operator=(Socket&& other) noexcept {
        std::swap(fd_, other.fd_);
        return *this;
    }
    ~Socket() {
        if (fd_ >= 0) close(fd_);
    }

    int fd() const { return fd_; }

    // Waits until the socket is ready for `events` of poll(2).
    void wait(short events, std::chrono::milliseconds timeout) const {
        pollfd poll_one{fd_, events, 0};
        int ready;
        do ready = poll(&poll_one, 1, static_cast<int>(timeout.count()));
        while (ready < 0 && errno == EINTR);
        if (ready < 0) throw_errno("poll");
        if (ready == 0) throw_errno("the peer", ETIMEDOUT);
    }

    // Reads what there is, at least a byte. 0 is the end: the peer will send no more.
    std::size_t read(std::span<std::uint8_t> into, std::chrono::milliseconds timeout = forever) {
        wait(POLLIN, timeout);
        const ssize_t n = recv(fd_, into.data(), into.size(), 0);
        if (n < 0) throw_errno("read");
        return static_cast<std::size_t>(n);
    }

    // Writes the first bytes of `from` and says how many.
    std::size_t write(std::span<const std::uint8_t> from, std::chrono::milliseconds timeout = forever) {
        wait(POLLOUT, timeout);
        const ssize_t n = send(fd_, from.data(), from.size(), MSG_NOSIGNAL);
        if (n < 0) throw_errno("write");
        return static_cast<std::size_t>(n);
    }

private:
    int fd_;
};

// Small messages leave at once: with Nagle's algorithm they would wait for the peer's acknowledgement.
inline Socket without_delay(Socket socket) {
    const int on = 1;
    if (setsockopt(socket.fd(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0) throw_errno("TCP_NODELAY");
    return socket;
}

inline Socket connect_tcp(const std::string& name, std::uint16_t port, std::chrono::milliseconds timeout = forever) {
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* found = nullptr;
    if (getaddrinfo(name.c_str(), std::to_string(port).c_str(), &hints, &found) != 0) {
        throw_errno("host not found", EHOSTUNREACH);
    }
    const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> addresses(found, freeaddrinfo);
    int error = EHOSTUNREACH;
    for (const addrinfo* at = found; at; at = at->ai_next) {
        Socket socket(::socket(at->ai_family, at->ai_socktype | SOCK_CLOEXEC, at->ai_protocol));
        if (timeout != forever) {
            const auto ms = timeout.count();
            const timeval limit{ms / 1000, ms % 1000 * 1000};
            if (setsockopt(socket.fd(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit) != 0) throw_errno("SO_SNDTIMEO");
        }
        if (connect(socket.fd(), at->ai_addr, at->ai_addrlen) == 0) return without_delay(std::move(socket));
        error = errno == EINPROGRESS ? ETIMEDOUT : errno;
    }
    throw_errno("connect", error);
}

// Listens on 127.0.0.1, on a port that the system chooses.
inline Socket listen_on_loopback() {
    Socket socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(socket.fd(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) throw_errno("bind");
    if (listen(socket.fd(), SOMAXCONN) != 0) throw_errno("listen");
    return socket;
}

inline std::uint16_t port_of(const Socket& socket) {
    sockaddr_in address{};
    socklen_t len = sizeof address;
    if (getsockname(socket.fd(), reinterpret_cast<sockaddr*>(&address), &len) != 0) throw_errno("getsockname");
    return ntohs(address.sin_port);
}

inline Socket accept_from(const Socket& listener, std::chrono::milliseconds timeout) {
    listener.wait(POLLIN, timeout);
    return without_delay(Socket(accept4(listener.fd(), nullptr, nullptr, SOCK_CLOEXEC)));
}

}  // namespace host
