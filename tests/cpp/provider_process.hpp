// A program as a process, until the case ends.
#pragma once

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "check.hpp"

class Process {
public:
    // Where what it says goes: to a file in its directory, or into a pipe that nobody reads.
    enum class Says { to_a_file, to_nobody };

    // Runs `program`, and keeps in `directory` what it says.
    Process(const std::string& program, const std::filesystem::path& directory, const std::vector<std::string>& options,
            Says says = Says::to_a_file)
        : log_(directory / ("log-" + std::to_string(++count()))) {
        std::vector<std::string> arguments{program};
        arguments.insert(arguments.end(), options.begin(), options.end());
        std::vector<char*> pointers;
        for (std::string& argument : arguments) pointers.push_back(argument.data());
        pointers.push_back(nullptr);
        pid_ = ::fork();
        CHECK(pid_ >= 0);
        if (pid_ == 0) {
            const int log = ::open(log_.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
            ::dup2(log, STDOUT_FILENO);
            ::dup2(log, STDERR_FILENO);
            int pipe[2];
            if (says == Says::to_nobody && ::pipe(pipe) == 0) {
                ::dup2(pipe[1], STDOUT_FILENO);
                ::close(pipe[0]);
            }
            ::execv(pointers[0], pointers.data());
            ::_exit(127);
        }
    }
    ~Process() {
        if (pid_ > 0) end(SIGTERM);
    }
    Process(const Process&) = delete;
    Process& operator=(const Process&) = delete;

    // All it has said.
    std::string said() const {
        std::ostringstream text;
        text << std::ifstream{log_}.rdbuf();
        return text.str();
    }

    // What follows `before` in the first line that has it, up to a blank; waits for it.
    std::string word_after(std::string_view before) const {
        for (int tries = 0; tries < 600; ++tries) {
            const std::string text = said();
            if (const auto at = text.find(before); at != text.npos) {
                const auto from = at + before.size();
                if (const auto to = text.find_first_of(" \n", from); to != text.npos) return text.substr(from, to - from);
            }
            ::usleep(50'000);
        }
        std::cerr << said();
        CHECK(!"it was never said");
        return {};
    }
    std::string address() const { return word_after(" listening on "); }

    // Waits until it has ended by itself. Its exit status, or minus the signal that ended it.
    int wait() {
        int status = 0;
        CHECK(::waitpid(pid_, &status, 0) == pid_);
        pid_ = -1;
        return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
    }
    void signal(int which) const { ::kill(pid_, which); }
    int end(int which) {
        signal(which);
        return wait();
    }
    // Whether it has ended by now; how, wait() tells.
    bool has_ended() const {
        siginfo_t info{};
        return ::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid != 0;
    }

private:
    static int& count() {
        static int of = 0;
        return of;
    }

    std::filesystem::path log_;
    pid_t pid_ = -1;
};

// sv2-template-provider on its embedded chain, with its data in `directory`.
class ProviderProcess : public Process {
public:
    ProviderProcess(const std::string& program, const std::filesystem::path& directory, std::vector<std::string> options,
                    Says says = Says::to_a_file)
        : Process(program, directory, with(directory, std::move(options)), says) {}

private:
    static std::vector<std::string> with(const std::filesystem::path& directory, std::vector<std::string> options) {
        const std::vector<std::string> first{"-regtest", "-sv2port=0", "-datadir=" + directory.string()};
        options.insert(options.begin(), first.begin(), first.end());
        return options;
    }
};
