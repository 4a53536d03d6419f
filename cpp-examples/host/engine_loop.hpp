// What every engine of the library needs of an event loop, whatever its sockets are: its events are drained after each input, and
// it is told the time when it asks to be.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <type_traits>
#include <utility>

#include <asio.hpp>
#include <sv2.hpp>

namespace host {

// `Engine` has next_event, next_deadline, tick and failed. All happens in the one thread that runs the context.
template <class Engine>
class EngineLoop {
public:
    using Event = typename std::remove_cvref_t<decltype(std::declval<Engine&>().next_event())>::value_type;

    struct Hooks {
        // Does what an event asks for. What the event borrows lives until this returns.
        std::function<void(const Event&)> handle;
        // The engine has become unusable: an error in the library, and the end of the program.
        std::function<void()> failed;
        // What goes before all events at each input, such as blocks that were found. May be left out.
        std::function<void()> first = nullptr;
        // After the events of a turn: what one engine made of them may have to go on to another. May be left out.
        std::function<void()> drained = nullptr;
    };

    // The engine outlives the loop.
    EngineLoop(asio::io_context& context, Engine& engine, Hooks hooks)
        : context_(context), engine_(engine), hooks_(std::move(hooks)) {}
    EngineLoop(const EngineLoop&) = delete;
    EngineLoop& operator=(const EngineLoop&) = delete;

    // To be called after each input of the engine. Handles some events; the rest goes on in a turn of its own if there is much of
    // it, so that what comes in meanwhile, a tip or a block, is not kept waiting. Inside of `handle` it does nothing: the events
    // are taken when that has returned.
    void drain() {
        if (draining_) return;
        draining_ = true;
        if (hooks_.first) hooks_.first();
        if (!goes_on_) take_turn();
        draining_ = false;
    }

private:
    // As many events are handled before sockets are looked at again. Each is one write at most.
    static constexpr int events_per_turn = 32;

    void take_turn() {
        int left = events_per_turn;
        for (; left > 0; --left) {
            const auto event = engine_.next_event();
            if (!event) break;
            hooks_.handle(*event);
        }
        if (hooks_.drained) hooks_.drained();
        if (left > 0 && engine_.failed()) {
            if (hooks_.first) hooks_.first();
            hooks_.failed();
            return;
        }
        set_timer();
        if (left > 0) return;
        goes_on_ = true;
        asio::post(context_, [this] {
            goes_on_ = false;
            drain();
        });
    }

    void set_timer() {
        const auto deadline = engine_.next_deadline();
        if (deadline == armed_for_) return;
        armed_for_ = deadline;
        if (!deadline) {
            timer_.cancel();
            return;
        }
        timer_.expires_at(*deadline);
        timer_.async_wait([this](asio::error_code error) {
            if (error) return;
            armed_for_.reset();
            (void)engine_.tick(sv2::now());
            drain();
        });
    }

    asio::io_context& context_;
    Engine& engine_;
    const Hooks hooks_;
    asio::steady_timer timer_{context_};
    std::optional<std::chrono::steady_clock::time_point> armed_for_;
    bool goes_on_ = false;   // more events are handled in the next turn
    bool draining_ = false;
};

}  // namespace host
