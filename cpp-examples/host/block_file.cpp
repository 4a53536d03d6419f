#include "block_file.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

namespace host {

std::unique_ptr<BlockFile> BlockFile::open(const std::filesystem::path& path, std::vector<Bytes>& blocks,
                                           std::string& error) {
    const int descriptor = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    std::unique_ptr<BlockFile> file(new BlockFile(descriptor, path));
    error = descriptor < 0 ? file->failure("opening") : file->lock_and_read(blocks);
    if (!error.empty()) file.reset();
    return file;
}

BlockFile::~BlockFile() {
    if (descriptor_ >= 0) ::close(descriptor_);
}

std::string BlockFile::lock_and_read(std::vector<Bytes>& blocks) {
    if (::flock(descriptor_, LOCK_EX | LOCK_NB) != 0)
        return errno == EWOULDBLOCK ? path_.string() + " is in use by another program" : failure("locking");
    std::string text;
    char chunk[1 << 16];
    for (;;) {
        const ssize_t count = ::read(descriptor_, chunk, sizeof chunk);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return failure("reading");
        if (count == 0) break;
        text.append(chunk, static_cast<std::size_t>(count));
    }
    std::string_view rest = text;
    for (std::size_t end; (end = rest.find('\n')) != rest.npos; rest.remove_prefix(end + 1)) {
        std::optional<Bytes> block = from_hex(rest.substr(0, end));
        if (!block) return path_.string() + " is corrupt: line " + std::to_string(blocks.size() + 1) + " is not hex";
        blocks.push_back(*std::move(block));
    }
    cut_off_ = rest.size();
    std::string error = cut(text.size() - rest.size());
    return error.empty() ? sync() : error;
}

std::string BlockFile::append(ByteView block) {
    const std::string line = hex(block) + "\n";
    for (std::size_t written = 0; written < line.size();) {
        const ssize_t count =
            ::pwrite(descriptor_, line.data() + written, line.size() - written, static_cast<off_t>(size_ + written));
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) {
            std::string error = failure("writing");
            cut(size_);
            return error;
        }
        written += static_cast<std::size_t>(count);
    }
    size_ += line.size();
    return {};
}

std::string BlockFile::sync() {
    if (::fsync(descriptor_) != 0) return failure("flushing");
    synced_ = size_;
    return {};
}

void BlockFile::forget_unsynced() { cut(synced_); }

std::string BlockFile::cut(std::uint64_t size) {
    size_ = size;
    return ::ftruncate(descriptor_, static_cast<off_t>(size)) == 0 ? std::string() : failure("truncating");
}

std::string BlockFile::failure(const char* doing) const {
    return std::string(doing) + " " + path_.string() + " failed: " + std::generic_category().message(errno);
}

}  // namespace host
