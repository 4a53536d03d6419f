#include "log.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <ctime>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include <sv2.h>

#include "files.hpp"

namespace host {
namespace {

constexpr std::array<std::string_view, 5> level_words{"error", "warning", "info", "debug", "trace"};
constexpr std::array<std::string_view, category_count> category_words{"sv2", "ipc", "net"};

// What waits to be written is no more than this.
constexpr std::size_t most_waiting = 4 << 20;

struct Log {
    LogOptions options;
    File file;  // of the writer, if there is one

    std::mutex mutex;
    std::condition_variable changed;
    std::string waiting;  // lines
    std::uint64_t dropped = 0;
    bool reopening = false;
    bool ending = false;
    bool running = false;  // the writer
    std::thread writer;

    void add(const std::string& line);
    void work();
    void write(const std::string& lines);
    void reopen();
};

// Never destroyed: a thread may still write while the program ends.
Log& the_log() {
    static Log& log = *new Log;
    return log;
}

std::string_view word(Level level) { return level_words[static_cast<std::size_t>(level)]; }
std::string_view word(Category category) { return category_words[static_cast<std::size_t>(category)]; }

template <class T, std::size_t n>
std::optional<T> find(const std::array<std::string_view, n>& words, std::string_view wanted) {
    for (std::size_t i = 0; i < n; ++i) {
        if (words[i] == wanted) return static_cast<T>(i);
    }
    return std::nullopt;
}

std::string timestamp(bool microseconds) {
    timespec now{};
    ::clock_gettime(CLOCK_REALTIME, &now);
    std::tm utc{};
    ::gmtime_r(&now.tv_sec, &utc);
    char text[48];
    std::size_t len = std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &utc);
    if (microseconds) {
        len += static_cast<std::size_t>(std::snprintf(text + len, sizeof text - len, ".%06ld", now.tv_nsec / 1000));
    }
    return std::string(text, len) + "Z ";
}

// Control characters could move the cursor of a terminal, or forge a line.
void append_escaped(std::string& to, std::string_view text) {
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte >= 0x20 && byte != 0x7f) {
            to += c;
        } else {
            char escaped[8];
            std::snprintf(escaped, sizeof escaped, "\\x%02x", byte);
            to += escaped;
        }
    }
}

// A file beyond `most` bytes is cut to its last `kept`; it is a log, so a failure only means that it stays long.
void shrink(const std::filesystem::path& path) {
    constexpr std::uintmax_t most = 11'000'000, kept = 10'000'000;
    std::error_code error;
    const std::uintmax_t size = std::filesystem::file_size(path, error);
    if (error || size <= most) return;
    std::vector<char> end(kept);
    std::FILE* const from = std::fopen(path.c_str(), "rb");
    if (!from) return;
    const bool found = std::fseek(from, -static_cast<long>(kept), SEEK_END) == 0;
    end.resize(found ? std::fread(end.data(), 1, end.size(), from) : 0);
    std::fclose(from);
    if (end.empty()) return;
    if (std::FILE* const to = std::fopen(path.c_str(), "wb")) {
        std::fwrite(end.data(), 1, end.size(), to);
        std::fclose(to);
    }
}

File open_file(const std::filesystem::path& path) {
    return File{::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, S_IRUSR | S_IWUSR)};
}

std::string line_of(const LogOptions& options, Level level, Category category, std::string_view text) {
    std::string line;
    if (options.timestamps) line += timestamp(options.microseconds);
    line.append(1, '[').append(word(category));
    if (level != Level::debug || options.always_level) line.append(1, ':').append(word(level));
    line.append("] ");
    append_escaped(line, text);
    line += '\n';
    return line;
}

void Log::add(const std::string& line) {
    {
        const std::lock_guard lock{mutex};
        if (!running) return write(line);
        if (waiting.size() + line.size() > most_waiting) {
            ++dropped;
            return;
        }
        waiting += line;
    }
    changed.notify_one();
}

// Writes what comes until the end is announced and everything is written.
void Log::work() {
    std::unique_lock lock{mutex};
    for (;;) {
        changed.wait(lock, [this] { return ending || reopening || !waiting.empty(); });
        std::string lines = std::exchange(waiting, {});
        const bool reopens = std::exchange(reopening, false);
        const std::uint64_t left_out = std::exchange(dropped, 0);
        if (lines.empty() && !reopens) return;
        lock.unlock();
        write(lines);
        if (left_out > 0) {
            write(line_of(options, Level::warning, Category::sv2,
                          std::to_string(left_out) + " lines were dropped here: the log was not written fast enough"));
        }
        if (reopens) reopen();
        lock.lock();
    }
}

void Log::write(const std::string& lines) {
    const std::span bytes{reinterpret_cast<const std::uint8_t*>(lines.data()), lines.size()};
    // Where nobody reads any more nothing is written any more.
    if (options.console && !write_all(STDOUT_FILENO, bytes) && errno == EPIPE) options.console = false;
    if (file) (void)write_all(file.get(), bytes);
}

void Log::reopen() {
    if (options.file.empty()) return;
    if (File anew = open_file(options.file)) {
        file = std::move(anew);
    } else {
        write(line_of(options, Level::error, Category::sv2, because(options.file, "reopen")));
    }
}

}  // namespace

std::optional<Level> level_of(std::string_view text) { return find<Level>(level_words, text); }
std::optional<Category> category_of(std::string_view text) { return find<Category>(category_words, text); }

std::string open_log(const LogOptions& options) {
    close_log();
    File file;
    if (!options.file.empty()) {
        if (options.shrink_file) shrink(options.file);
        file = open_file(options.file);
        if (!file) return because(options.file, "write the log");
    }
    Log& log = the_log();
    const std::lock_guard lock{log.mutex};
    log.file = std::move(file);
    log.options = options;
    log.ending = false;
    log.running = true;
    log.writer = std::thread{[&log] { log.work(); }};
    return {};
}

void reopen_log() noexcept {
    Log& log = the_log();
    {
        const std::lock_guard lock{log.mutex};
        log.reopening = log.running;
    }
    log.changed.notify_one();
}

void close_log() noexcept {
    Log& log = the_log();
    if (!log.writer.joinable()) return;
    {
        const std::lock_guard lock{log.mutex};
        log.ending = true;
    }
    log.changed.notify_one();
    log.writer.join();
    const std::lock_guard lock{log.mutex};
    log.running = false;
    log.write(std::exchange(log.waiting, {}));
    log.file = File{};
}

bool log_takes(Level level, Category category) noexcept {
    return level <= the_log().options.levels[static_cast<std::size_t>(category)];
}

void log_line(Level level, Category category, std::string_view text) noexcept try {
    if (!log_takes(level, category)) return;
    Log& log = the_log();
    log.add(line_of(log.options, level, category, text));
} catch (...) {
    // Out of memory: the line is lost.
}

void log_of_peers(Level level, std::string_view text) noexcept {
    using std::chrono::steady_clock;
    constexpr unsigned lines_per_second = 20;
    static std::mutex mutex;
    static steady_clock::time_point since{};
    static unsigned lines = 0;
    unsigned left_out = 0;
    bool is_one_too_many = false;
    if (level <= Level::info) {
        const std::lock_guard lock{mutex};
        const auto now = steady_clock::now();
        if (now - since >= std::chrono::seconds{1}) {
            left_out = lines > lines_per_second ? lines - lines_per_second : 0;
            since = now;
            lines = 0;
        }
        is_one_too_many = ++lines > lines_per_second;
    }
    if (left_out > 0) {
        char summary[64];
        std::snprintf(summary, sizeof summary, "%u more lines about clients are left out", left_out);
        log_info(summary);
    }
    if (!is_one_too_many) log_line(level, Category::sv2, text);
}

void log_of_engine(void*, int level, const char* text, std::size_t len) noexcept {
    const Level as = level <= SV2_LOG_ERROR     ? Level::error
                     : level == SV2_LOG_WARNING ? Level::warning
                     : level == SV2_LOG_INFO    ? Level::info
                                                : Level::debug;
    as == Level::error ? log_error({text, len}) : log_of_peers(as, {text, len});
}

}  // namespace host
