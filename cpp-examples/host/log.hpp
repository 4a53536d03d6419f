// The program's log: on the terminal and in a file, in the form that sv2-tp and Bitcoin Core write.
//
// One log for the program. Lines may come from any thread, and none waits: a thread of the log's own writes them to the terminal and
// to the disk. What these do not take in time is dropped, and how much that was is said.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

namespace host {

// How much a line matters. Lines down to `info` are always written.
enum class Level : std::uint8_t { error, warning, info, debug, trace };

// What a line is about.
enum class Category : std::uint8_t {
    sv2,  // clients and templates
    ipc,  // the connection to the node
    net,  // sockets
};
constexpr std::size_t category_count = 3;

// The word of -loglevel or -debug for it; nothing if there is none.
std::optional<Level> level_of(std::string_view word);
std::optional<Category> category_of(std::string_view word);

struct LogOptions {
    // The least important lines of each category that are written; by default those down to `info`.
    std::array<Level, category_count> levels{Level::info, Level::info, Level::info};
    std::filesystem::path file;  // empty for none
    bool console = true;
    bool timestamps = true;
    bool microseconds = false;
    bool always_level = false;  // each line says its category and level
    bool shrink_file = true;    // only the end of a file that has grown large is kept
};

// Sets up the log; without it, lines go to the terminal at once. Empty, or a sentence about why the file cannot be written.
[[nodiscard]] std::string open_log(const LogOptions& options);

// Begins the file anew, where it has been moved away.
void reopen_log() noexcept;

// Waits until everything is written. Afterwards lines go to the terminal again.
void close_log() noexcept;

// Whether such a line is written: whoever must reckon much for it asks first.
bool log_takes(Level level, Category category = Category::sv2) noexcept;

// A line for the log. What is not printable in it is escaped. A line that cannot be written is lost.
void log_line(Level level, Category category, std::string_view text) noexcept;

// A line about what peers do, of which there are no more than a few each second: nobody fills a disk with them. Lines for
// which one has to ask, those below `info`, are all written.
void log_of_peers(Level level, std::string_view text) noexcept;

// The same as `write` of the sv2_log that the library's engines are given.
void log_of_engine(void*, int level, const char* text, std::size_t len) noexcept;

inline void log_error(std::string_view text, Category of = Category::sv2) noexcept { log_line(Level::error, of, text); }
inline void log_warning(std::string_view text, Category of = Category::sv2) noexcept {
    log_line(Level::warning, of, text);
}
inline void log_info(std::string_view text, Category of = Category::sv2) noexcept { log_line(Level::info, of, text); }
inline void log_debug(std::string_view text, Category of = Category::sv2) noexcept { log_line(Level::debug, of, text); }

}  // namespace host
