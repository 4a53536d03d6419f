// The share log: a line for each share, in shares.log.
//
// The words of a line are divided by a blank:
//
//     accepted <unix time> <user> <worker> <connection> <channel_id> <sequence_number> <job_id> <template_id> <difficulty>
//              <hash> <version> <ntime> <nonce> <extranonce>
//     rejected <unix time> <user> - <connection> <channel_id> <sequence_number> <job_id> <error code>
//
// Version, nTime and nonce are eight hex digits, the extranonce is hex as it stands in the coinbase, the hash is as people print it.
// What users call themselves and their workers has %XX for what is no plain character, and - for nothing. All that is paid can be
// reckoned from it again: difficulties add up to what the miners were acknowledged.
//
// Lines are on the disk after a second and what writing it takes; a crash loses no others.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include <sv2.hpp>

#include "host/journal.hpp"

class ShareLog {
public:
    // Nothing, with a sentence in `error`, if it cannot be written.
    static std::unique_ptr<ShareLog> open(const std::filesystem::path& directory, std::string& error);

    void accepted(const sv2_accepted_share& share, std::string_view user_identity);
    void rejected(const sv2_rejected_share& share, std::string_view user_identity);

    // Begins the file anew, where it has been moved away.
    void reopen() { journal_->reopen(); }
    // How many lines could not be written.
    std::uint64_t lost() const { return journal_->lost(); }

private:
    explicit ShareLog(std::unique_ptr<host::Journal> journal) : journal_(std::move(journal)) {}

    const std::unique_ptr<host::Journal> journal_;
    std::string line_;  // memory that is used again
};

// A name as one word: what is no plain character in it is %XX.
std::string word_of(std::string_view name);
