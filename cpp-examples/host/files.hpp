// Files whose contents survive a crash.
#pragma once

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <utility>

namespace host {

// A file descriptor that is closed at the end.
class File {
public:
    explicit File(int descriptor = -1) : descriptor_(descriptor) {}
    File(File&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
    File& operator=(File&& other) noexcept {
        std::swap(descriptor_, other.descriptor_);
        return *this;
    }
    ~File();

    int get() const { return descriptor_; }
    explicit operator bool() const { return descriptor_ >= 0; }

private:
    int descriptor_;
};

// "Cannot <what> <path>: <the error in words>."
std::string because(const std::filesystem::path& path, const char* what, int error = errno);

// False with errno set if not everything could be written.
bool write_all(int descriptor, std::span<const std::uint8_t> bytes);

// Waits until the names in a directory are on the disk. False with errno set if they may not be.
bool sync_directory(const std::filesystem::path& directory);

// Makes a file that nobody else can read, and waits until it is on the disk. It is there whole or not at all, whatever
// crashes when, and a file that is there is left alone. 0 or an error: EEXIST if there is one.
[[nodiscard]] int create_file(const std::filesystem::path& path, std::span<const std::uint8_t> bytes);

// A file with the process's id, which goes when the program ends.
class PidFile {
public:
    PidFile() = default;
    PidFile(const PidFile&) = delete;
    PidFile& operator=(const PidFile&) = delete;
    ~PidFile();

    // Empty, also for an empty path, or a sentence about why it cannot be written.
    [[nodiscard]] std::string write(const std::filesystem::path& path);

private:
    std::filesystem::path path_;
};

// Lets the process open as many files and sockets as the system allows it, and says how many that are.
std::uint64_t raise_open_files();

// The same, and a warning in the log if that is not enough for so many connections.
void raise_open_files_for(std::size_t connections);

}  // namespace host
