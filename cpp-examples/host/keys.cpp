#include "keys.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <span>

#include "files.hpp"

namespace host {
namespace {

constexpr std::size_t file_len = 1 + SV2_SECRET_KEY_LEN;

// Bytes that are overwritten when they go. There is room for one more than a file has.
struct Wiped {
    std::array<std::uint8_t, file_len + 1> bytes{};
    ~Wiped() { sv2_wipe(bytes.data(), bytes.size()); }
};

// The key in the contents of a file; nothing if they are none.
std::optional<sv2::SecretKey> parse_key(std::span<const std::uint8_t> contents) {
    if (contents.size() == file_len && contents.front() <= 1) contents = contents.subspan(1);
    if (contents.size() != SV2_SECRET_KEY_LEN) return std::nullopt;
    auto secret = sv2::SecretKey::from_bytes(contents.first<SV2_SECRET_KEY_LEN>());
    return secret ? std::optional{*std::move(secret)} : std::nullopt;
}

// sv2-tp leaves its keys readable to whomever the umask lets.
void keep_from_others(const std::filesystem::path& path, int descriptor, std::string& notice) {
    struct stat status {};
    if (::fstat(descriptor, &status) != 0 || (status.st_mode & (S_IRWXG | S_IRWXO)) == 0) return;
    if (!notice.empty()) notice += " ";
    notice += path.string() + " could be read by others";
    notice += ::fchmod(descriptor, S_IRUSR | S_IWUSR) == 0 ? ", and now cannot. " : ", and still can. ";
    notice += "If somebody did, remove it to get a new key.";
}

std::optional<sv2::SecretKey> read_key(const std::filesystem::path& path, int descriptor, std::string& error,
                                       std::string& notice) {
    Wiped key;
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
    auto secret = parse_key(std::span{key.bytes}.first(len));
    if (secret) {
        keep_from_others(path, descriptor, notice);
    } else {
        error = path.string() + " does not hold a key. Restore it from a backup, or remove it to get a new identity, which "
                                "clients must then be told.";
    }
    return secret;
}

// Makes the file, or finds that another process has made it in the meantime: then that one counts.
std::optional<sv2::SecretKey> create_key(const std::filesystem::path& path, std::string& error, bool& is_there) {
    auto secret = sv2::SecretKey::generate();
    if (!secret) {
        error = std::string{"Cannot make a key: "} + secret.status().message();
        return std::nullopt;
    }
    Wiped contents;
    contents.bytes[0] = 1;
    const auto bytes = secret->secret_bytes();
    std::copy(bytes.begin(), bytes.end(), contents.bytes.begin() + 1);
    const int failure = create_file(path, std::span{contents.bytes}.first(file_len));
    is_there = failure == EEXIST;
    if (failure != 0 && !is_there) error = because(path, "create", failure);
    return failure == 0 ? std::optional{*std::move(secret)} : std::nullopt;
}

std::optional<sv2::SecretKey> read_or_create(const std::filesystem::path& path, std::string& error,
                                             std::string& notice) {
    for (bool is_there = true;;) {
        if (const File file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)}; file) {
            return read_key(path, file.get(), error, notice);
        } else if (errno != ENOENT) {
            error = because(path, "open");
            return std::nullopt;
        }
        auto key = create_key(path, error, is_there);
        if (key || !is_there) return key;
    }
}

}  // namespace

std::optional<Keys> Keys::open(const std::filesystem::path& directory, std::string& error, std::string& notice) {
    auto authority = read_or_create(directory / "sv2_authority_key", error, notice);
    if (!authority) return std::nullopt;
    auto static_key = read_or_create(directory / "sv2_static_key", error, notice);
    if (!static_key) return std::nullopt;
    return Keys{*std::move(authority), *std::move(static_key)};
}

sv2::Result<sv2::Identity> Keys::identity(std::chrono::sys_seconds now, std::chrono::seconds validity) const {
    const auto public_key = static_key.public_key();
    if (!public_key) return public_key.status();
    const auto certificate = sv2::sign_certificate(authority, *public_key, now - std::chrono::hours{1}, now + validity);
    if (!certificate) return certificate.status();
    return sv2::Identity::create(static_key, *certificate);
}

bool is_renewal_due(std::chrono::sys_seconds made, std::chrono::sys_seconds now, std::chrono::seconds validity) {
    return now < made || now >= made + validity / 2;
}

}  // namespace host
