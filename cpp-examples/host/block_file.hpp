// blocks.hex: every block of a chain, one a line in hex, the first one of height 1.
#pragma once

#include "bytes.hpp"

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace host {

// The file, open and locked against other programs. It only ever grows by whole lines: what cannot be written whole is
// taken back, and the unfinished line that a crash left is cut off when the file is opened.
class BlockFile {
public:
    // Opens or creates the file and reads its blocks. NULL with a sentence in `error` if it cannot be opened or locked,
    // or has a line that is not hex.
    static std::unique_ptr<BlockFile> open(const std::filesystem::path& path, std::vector<Bytes>& blocks,
                                           std::string& error);

    BlockFile(const BlockFile&) = delete;
    BlockFile& operator=(const BlockFile&) = delete;
    ~BlockFile();

    // Appends a block. Empty, or a sentence about what went wrong; then the file is as before.
    [[nodiscard]] std::string append(ByteView block);

    // Waits until everything appended is on the disk. Empty, or a sentence.
    [[nodiscard]] std::string sync();

    // Cuts off what was appended since the last successful sync.
    void forget_unsynced();

    // Bytes of an unfinished line that were cut off when the file was opened.
    std::size_t cut_off() const { return cut_off_; }

private:
    BlockFile(int descriptor, std::filesystem::path path) : descriptor_(descriptor), path_(std::move(path)) {}

    std::string lock_and_read(std::vector<Bytes>& blocks);
    std::string cut(std::uint64_t size);
    std::string failure(const char* doing) const;

    int descriptor_;
    std::filesystem::path path_;
    std::uint64_t size_ = 0;    // where the next line goes
    std::uint64_t synced_ = 0;  // how much of it is on the disk
    std::size_t cut_off_ = 0;
};

}  // namespace host
