#include "files.hpp"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <system_error>
#include <utility>

#include "log.hpp"

namespace host {

File::~File() {
    if (descriptor_ >= 0) ::close(descriptor_);
}

std::string because(const std::filesystem::path& path, const char* what, int error) {
    return "Cannot " + std::string{what} + " " + path.string() + ": " + std::generic_category().message(error) + ".";
}

bool write_all(int descriptor, std::span<const std::uint8_t> bytes) {
    while (!bytes.empty()) {
        const ssize_t n = ::write(descriptor, bytes.data(), bytes.size());
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return false;
        bytes = bytes.subspan(static_cast<std::size_t>(n));
    }
    return true;
}

bool sync_directory(const std::filesystem::path& directory) {
    const File file{::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    return file && ::fsync(file.get()) == 0;
}

int create_file(const std::filesystem::path& path, std::span<const std::uint8_t> bytes) {
    // Written under a name of its own and then linked to the right one, which fails if that is taken.
    std::string temporary = path.string() + ".XXXXXX";
    const File file{::mkostemp(temporary.data(), O_CLOEXEC)};  // with O_EXCL, mode 0600
    if (!file) return errno;
    const bool written =
        write_all(file.get(), bytes) && ::fsync(file.get()) == 0 && ::link(temporary.c_str(), path.c_str()) == 0;
    const int error = errno;
    ::unlink(temporary.c_str());
    if (!written) return error;
    return sync_directory(path.parent_path()) ? 0 : errno;
}

PidFile::~PidFile() {
    if (!path_.empty()) ::unlink(path_.c_str());
}

std::string PidFile::write(const std::filesystem::path& path) {
    if (path.empty()) return {};
    std::ofstream file{path};
    file << ::getpid() << '\n' << std::flush;
    if (!file) return because(path, "write");
    path_ = path;
    return {};
}

std::uint64_t raise_open_files() {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 0;
    const rlim_t before = std::exchange(limit.rlim_cur, limit.rlim_max);
    return ::setrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_cur : before;
}

void raise_open_files_for(std::size_t connections) {
    constexpr std::size_t others = 64;  // logs, listening sockets, what an event loop needs
    if (const std::uint64_t files = raise_open_files(); files < connections + others) {
        log_warning("only " + std::to_string(files) + " files can be open at once, and " + std::to_string(connections) +
                    " connections need more: ulimit -n, or allow fewer connections");
    }
}

}  // namespace host
