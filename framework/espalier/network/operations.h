#pragma once

#include "espalier/network.h"

#include <string>
#include <vector>

namespace espalier {

/// Thrown by a shape rule: input number `input` does not fit; `text` names the dimension and the law.
struct Misfit {
  size_t input = 0;
  std::string text;
};

/// One primitive operation: all that is known of it outside the engine.
struct Operation {
  using Shapes = std::vector<Shape>;

  std::string name;
  size_t inputs_min = 1;
  size_t inputs_max = 1;                                                      ///< SIZE_MAX: any number
  Json settings = Json::object();                                             ///< name -> default; null: must be given
  Shape (*shape)(const Shapes& in, const Json& set) = {};                     ///< throws Misfit
  std::vector<Weight> (*weights)(const Shapes& in, const Json& set) = {};     ///< nullptr: none
  int64_t (*macs)(const Shapes& in, const Shape& out, const Json& set) = {};  ///< nullptr: none
  bool training_only = false;
  bool keeps_pixels = false;  ///< of pixels it gives pixels: what was black and white is known behind it
  bool needs_pixels = false;  ///< it must know what is black and white
  bool needs_size = false;    ///< the height and width of its input are the same throughout the training
  bool gives_size = false;    ///< its height and width do not follow those of its input
};

/// What the training alone does to pictures: views of them, and their growth. Part of the table below.
std::vector<Operation> augmentation_operations();

/// The table of all operations.
const std::vector<Operation>& operations();
/// Throws E0321 with the nearest name if there is no such operation.
const Operation& operation(const std::string& name);

/// Whether each of these layers of a network gives pixels: an input, or what keeps pixels of what does.
std::vector<bool> give_pixels(const std::vector<Layer>& layers);

/// Whether the height and width of each of these layers grow in training.
std::vector<bool> grow(const std::vector<Layer>& layers);

}  // namespace espalier
