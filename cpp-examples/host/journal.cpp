#include "journal.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <mutex>
#include <span>
#include <utility>

#include "files.hpp"
#include "log.hpp"

namespace host {

namespace {

// As much is written without waiting for more.
constexpr std::size_t full_batch = 1 << 20;
constexpr std::chrono::seconds pause_after_failure{1};

std::span<const std::uint8_t> bytes_of(std::string_view text) {
    return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

// Ends the line that the last byte of the file does not end.
bool end_last_line(int descriptor) {
    const off_t size = ::lseek(descriptor, 0, SEEK_END);
    char last = '\n';
    if (size < 0 || (size > 0 && ::pread(descriptor, &last, 1, size - 1) != 1)) return false;
    return last == '\n' || write_all(descriptor, bytes_of("\n"));
}

// The file, locked and at the beginning of a line; none, with a sentence in `error`, if it cannot be had.
File open_file(const JournalOptions& options, std::string& error) {
    File file{::open(options.path.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, S_IRUSR | S_IWUSR)};
    if (!file) {
        error = because(options.path, "open");
    } else if (::flock(file.get(), LOCK_EX | LOCK_NB) != 0) {
        error = errno == EWOULDBLOCK ? options.path.string() + " is in use: another program writes this " + options.what + "."
                                     : because(options.path, "lock");
    } else if (!end_last_line(file.get()) || ::fsync(file.get()) != 0 || !sync_directory(options.path.parent_path())) {
        error = because(options.path, "write");
    }
    return error.empty() ? std::move(file) : File{};
}

}  // namespace

struct Journal::State {
    const JournalOptions options;
    // Of the writer.
    File file;
    bool reopening_fails = false;

    std::mutex mutex;
    std::condition_variable changed;
    std::string waiting;
    bool reopening = false;
    bool ending = false;
    std::atomic<std::uint64_t> lost = 0;

    State(JournalOptions with, File opened) : options(std::move(with)), file(std::move(opened)) {}

    void work();
    bool write(const std::string& lines);
    bool reopen();
    void say_what_is_lost(const std::string& lines);
};

// Writes what comes until the end is announced and everything is written.
void Journal::State::work() {
    bool failing = false;
    std::uint64_t told = 0;
    std::unique_lock lock{mutex};
    for (;;) {
        changed.wait(lock, [this] { return ending || reopening || !waiting.empty(); });
        changed.wait_for(lock, options.batch, [this] { return ending || reopening || waiting.size() >= full_batch; });
        std::string lines = std::exchange(waiting, {});
        const bool reopens = std::exchange(reopening, false);
        const bool last = ending;
        lock.unlock();
        // Lines from before the reopening go into the old file, which stays open until there is a new one.
        const bool written = lines.empty() || write(lines);
        const bool reopened = !reopens || (written && reopen());
        if (!written && !std::exchange(failing, true)) {
            log_error(because(options.path, "write") + " The " + options.what + " is kept in memory, and tried again.");
        }
        if (written && failing) {
            failing = false;
            log_warning("the " + options.what + " is written again");
        }
        if (const std::uint64_t now = lost; now > told && written) {
            log_error(std::to_string(now - told) + " lines of the " + options.what + " are lost: the disk did not take them in time");
            told = now;
        }
        lock.lock();
        if (!written) waiting.insert(0, lines);
        reopening = reopening || !reopened;
        if (last) return say_what_is_lost(waiting);
        if (!written || !reopened) changed.wait_for(lock, pause_after_failure, [this] { return ending; });
    }
}

// All of it, or nothing.
bool Journal::State::write(const std::string& lines) {
    const off_t end = ::lseek(file.get(), 0, SEEK_END);
    if (end < 0) return false;
    if (write_all(file.get(), bytes_of(lines)) && ::fdatasync(file.get()) == 0) return true;
    const int error = errno;
    // Half a line would spoil the next one. If this fails too, the next attempt writes some lines twice: better than never.
    if (::ftruncate(file.get(), end) != 0) (void)end_last_line(file.get());
    errno = error;
    return false;
}

// Whether a new file has taken the old one's place; until then lines go into the old one.
bool Journal::State::reopen() {
    struct stat now{}, ours{};
    // Not moved away: the lock on it would stand in the way of opening it again.
    const bool is_the_same = ::stat(options.path.c_str(), &now) == 0 && ::fstat(file.get(), &ours) == 0 &&
                             now.st_dev == ours.st_dev && now.st_ino == ours.st_ino;
    if (is_the_same) return true;
    std::string error;
    File opened = open_file(options, error);
    if (!opened) {
        if (!std::exchange(reopening_fails, true)) {
            log_error(error + " The " + options.what + " goes into the old file until there is a new one.");
        }
        return false;
    }
    if (std::exchange(reopening_fails, false)) log_warning("the " + options.what + " has a new file");
    file = std::move(opened);
    return true;
}

void Journal::State::say_what_is_lost(const std::string& lines) {
    const auto lines_waiting = static_cast<std::uint64_t>(std::ranges::count(lines, '\n'));
    if (lines_waiting == 0) return;
    lost += lines_waiting;
    log_error(std::to_string(lines_waiting) + " lines of the " + options.what + " are lost: the disk did not take them before the end");
}

std::unique_ptr<Journal> Journal::open(JournalOptions options, std::string& error) {
    File file = open_file(options, error);
    if (!file) return nullptr;
    return std::unique_ptr<Journal>{new Journal{std::make_unique<State>(std::move(options), std::move(file))}};
}

Journal::Journal(std::unique_ptr<State> state)
    : state_(std::move(state)), writer_([&of = *state_] { of.work(); }) {}

Journal::~Journal() {
    {
        const std::lock_guard lock{state_->mutex};
        state_->ending = true;
    }
    state_->changed.notify_one();
    writer_.join();
}

void Journal::add(std::string_view line) {
    {
        const std::lock_guard lock{state_->mutex};
        if (state_->waiting.size() + line.size() >= state_->options.most_waiting) {
            ++state_->lost;
            return;
        }
        state_->waiting.append(line).push_back('\n');
        if (state_->waiting.size() < full_batch && state_->waiting.size() > line.size() + 1) return;  // it knows already
    }
    state_->changed.notify_one();
}

void Journal::reopen() {
    {
        const std::lock_guard lock{state_->mutex};
        state_->reopening = true;
    }
    state_->changed.notify_one();
}

std::uint64_t Journal::lost() const { return state_->lost; }

}  // namespace host
