#include "keys.hpp"

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace {

using KeyBytes = std::array<std::uint8_t, SV2_SECRET_KEY_LEN>;

class File {
public:
    explicit File(int descriptor) : descriptor_(descriptor) {}
    File(const File&) = delete;
    File& operator=(const File&) = delete;
    ~File() {
        if (descriptor_ >= 0) ::close(descriptor_);
    }
    int get() const { return descriptor_; }
    explicit operator bool() const { return descriptor_ >= 0; }

private:
    int descriptor_;
};

// Bytes that are overwritten when they go.
struct Wiped {
    KeyBytes bytes{};
    ~Wiped() { sv2_wipe(bytes.data(), bytes.size()); }
};

std::string because(const std::filesystem::path& path, const char* what) {
    return "Cannot " + std::string{what} + " " + path.string() + ": " + std::strerror(errno) + ".";
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

std::optional<sv2::SecretKey> read_key(const std::filesystem::path& path, int descriptor, std::string& error) {
    Wiped key;
    std::uint8_t one_more = 0;
    std::size_t len = 0;
    while (len < key.bytes.size()) {
        const ssize_t n = ::read(descriptor, key.bytes.data() + len, key.bytes.size() - len);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) {
            error = because(path, "read");
            return std::nullopt;
        }
        if (n == 0) break;
        len += static_cast<std::size_t>(n);
    }
    struct stat status {};
    if (::fstat(descriptor, &status) == 0 && (status.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
        error = path.string() + " can be read by others. If nobody did, make it your own again: chmod 600 " + path.string();
        return std::nullopt;
    }
    if (len == key.bytes.size() && ::read(descriptor, &one_more, 1) == 0) {
        if (auto secret = sv2::SecretKey::from_bytes(key.bytes)) return *std::move(secret);
    }
    error = path.string() + " does not hold a key of 32 bytes. Restore it from a backup, or remove it to get a new identity, "
                            "which clients must then be told.";
    return std::nullopt;
}

std::optional<sv2::SecretKey> create_key(const std::filesystem::path& path, std::string& error) {
    auto secret = sv2::SecretKey::generate();
    if (!secret) {
        error = std::string{"Cannot make a key: "} + secret.status().message();
        return std::nullopt;
    }
    // Written beside and moved into place, so that no crash leaves half a key under the name, and no key is replaced.
    const std::filesystem::path temporary = path.string() + ".new";
    ::unlink(temporary.c_str());
    const File file{::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, S_IRUSR | S_IWUSR)};
    const bool written = file && write_all(file.get(), secret->secret_bytes()) && ::fsync(file.get()) == 0 &&
                         ::renameat2(AT_FDCWD, temporary.c_str(), AT_FDCWD, path.c_str(), RENAME_NOREPLACE) == 0;
    if (!written) error = because(path, "create");
    ::unlink(temporary.c_str());
    if (!written) return std::nullopt;
    if (!sync_directory(path.parent_path())) {
        error = because(path.parent_path(), "sync");
        return std::nullopt;
    }
    return *std::move(secret);
}

std::optional<sv2::SecretKey> read_or_create(const std::filesystem::path& path, std::string& error) {
    const File file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
    if (file) return read_key(path, file.get(), error);
    if (errno == ENOENT) return create_key(path, error);
    error = because(path, "open");
    return std::nullopt;
}

}  // namespace

std::optional<Keys> Keys::open(const std::filesystem::path& datadir, std::string& error) {
    auto authority = read_or_create(datadir / "sv2_authority_key", error);
    if (!authority) return std::nullopt;
    auto static_key = read_or_create(datadir / "sv2_static_key", error);
    if (!static_key) return std::nullopt;
    return Keys{*std::move(authority), *std::move(static_key)};
}

sv2::Result<sv2::Identity> Keys::identity(std::chrono::sys_seconds now) const {
    const auto public_key = static_key.public_key();
    if (!public_key) return public_key.status();
    const auto certificate = sv2::sign_certificate(authority, *public_key, now - std::chrono::hours{1}, now + validity);
    if (!certificate) return certificate.status();
    return sv2::Identity::create(static_key, *certificate);
}
