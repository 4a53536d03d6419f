#include "share_log.hpp"

#include <cstdio>
#include <ctime>

#include "host/bytes.hpp"

namespace {

void append_word(std::string& to, std::string_view name) {
    if (name.empty()) {
        to += '-';
        return;
    }
    for (const char c : name) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte > 0x20 && byte < 0x7f && c != '%' && name != "-") {
            to += c;
        } else {
            char escaped[4];
            std::snprintf(escaped, sizeof escaped, "%%%02X", byte);
            to += escaped;
        }
    }
}

long long unix_time() { return static_cast<long long>(std::time(nullptr)); }

}  // namespace

std::string word_of(std::string_view name) {
    std::string word;
    append_word(word, name);
    return word;
}

std::unique_ptr<ShareLog> ShareLog::open(const std::filesystem::path& directory, std::string& error) {
    auto journal = host::Journal::open({.path = directory / "shares.log", .what = "share log"}, error);
    return journal ? std::unique_ptr<ShareLog>{new ShareLog{std::move(journal)}} : nullptr;
}

void ShareLog::accepted(const sv2_accepted_share& share, std::string_view user_identity) {
    char numbers[160];
    std::snprintf(numbers, sizeof numbers, "accepted %lld ", unix_time());
    line_ = numbers;
    append_word(line_, user_identity);
    line_ += ' ';
    append_word(line_, sv2::text(share.worker_identity));
    std::snprintf(numbers, sizeof numbers, " %llu %u %u %u %llu %.17g ", static_cast<unsigned long long>(share.connection),
                  share.channel_id, share.sequence_number, share.job_id,
                  static_cast<unsigned long long>(share.source_id), share.difficulty);
    line_ += numbers;
    line_ += sv2::to_string(share.hash);
    std::snprintf(numbers, sizeof numbers, " %08x %08x %08x ", share.version, share.ntime, share.nonce);
    line_ += numbers;
    line_ += host::hex(sv2::view(share.extranonce));
    journal_->add(line_);
}

void ShareLog::rejected(const sv2_rejected_share& share, std::string_view user_identity) {
    char numbers[160];
    std::snprintf(numbers, sizeof numbers, "rejected %lld ", unix_time());
    line_ = numbers;
    append_word(line_, user_identity);
    std::snprintf(numbers, sizeof numbers, " - %llu %u %u %u ", static_cast<unsigned long long>(share.connection),
                  share.channel_id, share.sequence_number, share.job_id);
    line_ += numbers;
    line_ += sv2::text(share.error_code);
    journal_->add(line_);
}
