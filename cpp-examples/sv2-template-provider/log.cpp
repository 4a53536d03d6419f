#include "log.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <mutex>
#include <vector>

namespace {

constexpr std::array<std::string_view, 5> level_words{"error", "warning", "info", "debug", "trace"};
constexpr std::array<std::string_view, category_count> category_words{"sv2", "ipc", "net"};

struct Log {
    std::mutex mutex;
    LogOptions options;
    std::FILE* file = nullptr;
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

}  // namespace

std::optional<Level> level_of(std::string_view text) { return find<Level>(level_words, text); }
std::optional<Category> category_of(std::string_view text) { return find<Category>(category_words, text); }

std::string open_log(const LogOptions& options) {
    std::FILE* file = nullptr;
    if (!options.file.empty()) {
        if (options.shrink_file) shrink(options.file);
        const int descriptor =
            ::open(options.file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, S_IRUSR | S_IWUSR);
        if (descriptor >= 0) file = ::fdopen(descriptor, "a");
        if (!file) return "Cannot write the log " + options.file.string() + ": " + std::strerror(errno) + ".";
    }
    Log& log = the_log();
    const std::lock_guard lock{log.mutex};
    if (log.file) std::fclose(log.file);
    log.file = file;
    log.options = options;
    return {};
}

bool log_takes(Level level, Category category) noexcept {
    return level <= the_log().options.levels[static_cast<std::size_t>(category)];
}

void log_line(Level level, Category category, std::string_view text) noexcept try {
    if (!log_takes(level, category)) return;
    Log& log = the_log();
    std::string line;
    if (log.options.timestamps) line += timestamp(log.options.microseconds);
    line.append(1, '[').append(word(category));
    if (level != Level::debug || log.options.always_level) line.append(1, ':').append(word(level));
    line.append("] ");
    append_escaped(line, text);
    line += '\n';
    const std::lock_guard lock{log.mutex};
    if (log.options.console) {
        std::fwrite(line.data(), 1, line.size(), stdout);
        std::fflush(stdout);
    }
    if (log.file) {
        std::fwrite(line.data(), 1, line.size(), log.file);
        std::fflush(log.file);
    }
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
