#include "solutions.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <condition_variable>
#include <cstdio>
#include <ctime>
#include <deque>
#include <mutex>
#include <span>
#include <sstream>
#include <utility>
#include <variant>

#include "host/files.hpp"
#include "host/bytes.hpp"
#include "host/log.hpp"

namespace {

struct Line {
    std::string text;
};
struct Block {
    std::filesystem::path path;
    host::Bytes bytes;
};
using Job = std::variant<Line, Block>;

std::span<const std::uint8_t> bytes_of(const std::string& text) {
    return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

void write(int descriptor, const std::filesystem::path& directory, const Line& line) {
    const off_t end = ::lseek(descriptor, 0, SEEK_END);
    if (host::write_all(descriptor, bytes_of(line.text)) && ::fsync(descriptor) == 0) return;
    const int error = errno;
    // Half a line would spoil the next one.
    const bool cut = end >= 0 && ::ftruncate(descriptor, end) == 0;
    host::log_error(host::because(directory / "sv2_solutions", "write", error) + (cut ? "" : " Its last line is broken.") +
              " What should stand there: " + line.text.substr(0, line.text.size() - 1));
}

void write(const Block& block) {
    // One that is there is the same: its name is its hash.
    const int error = host::create_file(block.path, bytes_of(host::hex(block.bytes) + "\n"));
    if (error != 0 && error != EEXIST) {
        host::log_error(host::because(block.path, "create", error) + " The block was handed to the node all the same.");
    }
}

}  // namespace

struct Solutions::Queue {
    std::mutex mutex;
    std::condition_variable changed;
    std::deque<Job> jobs;
    bool ending = false;

    void push(Job job) {
        {
            const std::lock_guard lock{mutex};
            jobs.push_back(std::move(job));
        }
        changed.notify_one();
    }

    // Writes what comes until the end is announced and everything is written.
    void work(int descriptor, const std::filesystem::path& directory) {
        std::unique_lock lock{mutex};
        for (;;) {
            changed.wait(lock, [this] { return ending || !jobs.empty(); });
            if (jobs.empty()) return;
            // Lines before blocks: they are small, and a block can be put together from its line.
            const auto first_line = std::find_if(jobs.begin(), jobs.end(),
                                                 [](const Job& job) { return std::holds_alternative<Line>(job); });
            const auto next = first_line == jobs.end() ? jobs.begin() : first_line;
            const Job job = std::move(*next);
            jobs.erase(next);
            lock.unlock();
            if (const auto* line = std::get_if<Line>(&job)) write(descriptor, directory, *line);
            if (const auto* block = std::get_if<Block>(&job)) write(*block);
            lock.lock();
        }
    }
};

std::unique_ptr<Solutions> Solutions::open(const std::filesystem::path& directory, std::string& error) {
    const auto path = directory / "sv2_solutions";
    if (::mkdir((directory / "sv2_blocks").c_str(), S_IRWXU) != 0 && errno != EEXIST) {
        error = host::because(directory / "sv2_blocks", "create");
        return nullptr;
    }
    const int descriptor = ::open(path.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, S_IRUSR | S_IWUSR);
    if (descriptor < 0) {
        error = host::because(path, "open");
        return nullptr;
    }
    std::unique_ptr<Solutions> solutions{new Solutions{directory, descriptor}};
    error = solutions->read();
    if (!error.empty()) return nullptr;
    Queue& queue = *solutions->queue_;
    solutions->writer_ = std::thread{[&queue, descriptor, directory] { queue.work(descriptor, directory); }};
    return solutions;
}

Solutions::Solutions(std::filesystem::path directory, int descriptor)
    : directory_(std::move(directory)), descriptor_(descriptor), queue_(std::make_unique<Queue>()) {}

Solutions::~Solutions() {
    if (writer_.joinable()) {
        {
            const std::lock_guard lock{queue_->mutex};
            queue_->ending = true;
        }
        queue_->changed.notify_one();
        writer_.join();
    }
    ::close(descriptor_);
}

std::filesystem::path Solutions::block_path(const std::string& block_hash) const {
    return directory_ / "sv2_blocks" / (block_hash + ".hex");
}

std::string Solutions::read() {
    const auto path = directory_ / "sv2_solutions";
    // Two programs would serve the same clients by the same keys, each with half of the truth.
    if (::flock(descriptor_, LOCK_EX | LOCK_NB) != 0) {
        return errno == EWOULDBLOCK ? path.string() + " is in use: another template provider runs in this data directory."
                                    : host::because(path, "lock");
    }
    std::string text;
    std::array<char, 1 << 16> chunk;
    for (;;) {
        const ssize_t n = ::read(descriptor_, chunk.data(), chunk.size());
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return host::because(path, "read");
        if (n == 0) break;
        text.append(chunk.data(), static_cast<std::size_t>(n));
    }
    std::istringstream lines{text};
    for (std::string line; std::getline(lines, line) && !lines.eof();) {
        std::istringstream words{line};
        std::string verb;
        Unconfirmed found{};
        words >> verb >> found.found_at;
        if (verb == "found") {
            if (words >> found.height >> found.block_hash) unconfirmed_.push_back(found);
        } else if (words >> found.block_hash; verb == "accepted") {
            std::erase_if(unconfirmed_, [&](const Unconfirmed& of) { return of.block_hash == found.block_hash; });
        }
    }
    for (Unconfirmed& of : unconfirmed_) of.whole = ::access(block_path(of.block_hash).c_str(), F_OK) == 0;
    // A line that a crash left unfinished is ended, so that the next one stands alone.
    if (!text.empty() && text.back() != '\n' && !host::write_all(descriptor_, bytes_of("\n"))) return host::because(path, "write");
    // The file and sv2_blocks must be found again after a crash, too.
    return ::fsync(descriptor_) == 0 && host::sync_directory(directory_) ? std::string{} : host::because(path, "sync");
}

void Solutions::found(const sv2_solution& solution, std::uint32_t height) {
    std::array<std::uint8_t, SV2_BLOCK_HEADER_LEN> header{};
    host::must(sv2_block_header_to_bytes(&solution.header, header.data()));
    append("found " + std::to_string(std::time(nullptr)) + " " + std::to_string(height) + " " +
           sv2::to_string(solution.block_hash) + " " + host::hex(header) + " " +
           host::hex(sv2::view(solution.coinbase_tx)) + "\n");
}

void Solutions::whole(const sv2_u256& block_hash, sv2::Bytes block) {
    queue_->push(Block{block_path(sv2::to_string(block_hash)), {block.begin(), block.end()}});
}

void Solutions::accepted(const sv2_u256& block_hash) {
    append("accepted " + std::to_string(std::time(nullptr)) + " " + sv2::to_string(block_hash) + "\n");
}

void Solutions::append(std::string line) { queue_->push(Line{std::move(line)}); }
