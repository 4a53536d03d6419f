// Blocks that were found, kept on the disk for those whom the node or this program fails: to be handed in by hand.
//
// Two things are kept in the directory:
//
// - sv2_solutions, a text to which a line is added for each block at the moment it is found, and one when it is accepted:
//
//       found <unix time> <height> <block hash> <header, 80 bytes> <coinbase>
//       accepted <unix time> <block hash>
//
//   The hash is as people print it, header and coinbase (with its BIP 141 fields) are serialized and in hex: with the
//   template's transactions they are the block.
// - sv2_blocks/<block hash>.hex, the whole block as soon as the node gives it: what `bitcoin-cli submitblock` takes.
//
// A thread of its own waits for the disk. What cannot be written is said in the log, and nothing else stops for it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <sv2.hpp>

class Solutions {
public:
    // A block that was found and of which nobody knows whether it was accepted.
    struct Unconfirmed {
        std::string block_hash;
        std::uint32_t height;
        std::uint64_t found_at;  // unix time
        bool whole;              // whether sv2_blocks has it
    };

    // Opens or makes the files in `directory` and reads what is there. Nothing, with a sentence in `error`, if it cannot.
    static std::unique_ptr<Solutions> open(const std::filesystem::path& directory, std::string& error);

    // Waits until everything is on the disk.
    ~Solutions();

    // What was unconfirmed when the files were opened, oldest first.
    const std::vector<Unconfirmed>& unconfirmed() const { return unconfirmed_; }

    // A block was found. Never waits.
    void found(const sv2_solution& solution, std::uint32_t height);
    // The whole of it.
    void whole(const sv2_u256& block_hash, sv2::Bytes block);
    // It is the tip.
    void accepted(const sv2_u256& block_hash);

    std::filesystem::path block_path(const std::string& block_hash) const;

private:
    struct Queue;

    Solutions(std::filesystem::path directory, int descriptor);
    std::string read();
    void append(std::string line);

    const std::filesystem::path directory_;
    std::vector<Unconfirmed> unconfirmed_;
    const int descriptor_;
    std::unique_ptr<Queue> queue_;
    std::thread writer_;
};
