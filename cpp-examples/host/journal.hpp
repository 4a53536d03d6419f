// A text that only grows, line by line, and of which a crash costs no more than its end.
//
// Lines come from any thread, and none waits: a thread of the journal's own gathers them for a while, writes them together, and has
// the disk confirm them. Whatever crashes then, program or machine, what was confirmed stays. What the disk does not take, as
// when it is full, is kept and tried again; beyond a bound it is lost, and how much that was is said.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <thread>

namespace host {

struct JournalOptions {
    std::filesystem::path path;
    std::string what;  // for people, such as "share log"
    std::chrono::milliseconds batch{1000};     // how long lines are gathered
    std::size_t most_waiting = 64 << 20;       // bytes that are kept while the disk does not take them
};

class Journal {
public:
    // Opens or makes the file, which nobody else may have open as a journal. Half a line that a crash has left at its end is
    // ended, so that it spoils no other. Nothing, with a sentence in `error`, if it cannot.
    static std::unique_ptr<Journal> open(JournalOptions options, std::string& error);

    Journal(const Journal&) = delete;
    Journal& operator=(const Journal&) = delete;
    // Waits until everything is on the disk, or the disk has refused it once more.
    ~Journal();

    // Adds a line, which has no line break.
    void add(std::string_view line);

    // Begins the file anew, where it has been moved away. What was added before goes into the old one, and so does what comes
    // until a new one can be made: that is tried again and again.
    void reopen();

    // How many lines were lost.
    std::uint64_t lost() const;

private:
    struct State;
    explicit Journal(std::unique_ptr<State> state);

    std::unique_ptr<State> state_;
    std::thread writer_;
};

}  // namespace host
