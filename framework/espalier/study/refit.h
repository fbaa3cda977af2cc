#pragma once

#include "espalier/study/decide.h"

#include <cstdint>

namespace espalier {

/// The name of the training that makes the winner from all rows that are not test.
inline constexpr const char* kRefit = "refit";

/// The document of the winner's refit: all rows that are not test, the weights after the last epoch, the first part's seeds.
/// `left`: seconds of the time budget that no trial has used; a refit by share fills them if the trial was still rising. Under
/// "until" the epochs that it takes, where its schedule is longer than they are.
Json refit_document(const Deciding& deciding, const Store& store, const TrialRecord& best, double left);

/// Epochs after which the trial was best, a mean of its parts rounded; at least 1.
int64_t best_epochs(const TrialRecord& trial);

/// False if the trial was at its best well before its end: longer training makes it worse.
bool was_rising(const TrialRecord& trial);

/// Epochs that fit into `left` seconds if each takes what one took the trial, times `growth`: more rows take longer. Never
/// fewer than those after which the trial was best.
int64_t fitting_epochs(const TrialRecord& trial, double growth, double left);

}  // namespace espalier
