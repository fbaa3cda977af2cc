#pragma once

#include <atomic>
#include <string>

namespace espalier::cli {

/// From now on Ctrl-C, SIGTERM or SIGUSR1 prints `message` and ends the program at once: for work of which each file is written
/// whole or under another name.
void exit_on_signals(const std::string& message);
/// Counts Ctrl-C (and takes SIGTERM and SIGUSR1 as one) from now on; the third one ends the program.
void listen_for_signals();
/// Makes writing into a closed pipe an error of that write instead of the program's death.
void ignore_broken_pipes();
/// How often the user asked to stop: what StudyOptions::interrupts points to.
const std::atomic<int>& interrupts();
/// 130 after Ctrl-C, 75 after SIGTERM or SIGUSR1.
int interrupted_exit_code();

}  // namespace espalier::cli
