#include "espalier/pipeline/assignments.h"

#include <algorithm>

namespace espalier {

void Assignments::assign(const std::string& path, Tree value, const std::string& origin) {
  leaves_[path] = {std::move(value), origin};
}

void Assignments::replace(const std::string& path, Tree value, const std::string& origin) {
  remove(path);
  assign(path, std::move(value), origin);
}

bool Assignments::remove(const std::string& path) {
  const size_t before = leaves_.size();
  leaves_.erase(path);
  const std::string below = path + ".";
  auto it = leaves_.lower_bound(below);
  while (it != leaves_.end() && it->first.rfind(below, 0) == 0) it = leaves_.erase(it);
  std::erase(nodes_, path);
  return leaves_.size() != before;
}

const Leaf* Assignments::find(const std::string& path) const {
  const auto found = leaves_.find(path);
  return found == leaves_.end() ? nullptr : &found->second;
}

Leaf* Assignments::edit(const std::string& path) {
  const auto found = leaves_.find(path);
  return found == leaves_.end() ? nullptr : &found->second;
}

bool Assignments::any_below(const std::string& path) const {
  const std::string below = path + ".";
  const auto it = leaves_.lower_bound(below);
  return it != leaves_.end() && it->first.rfind(below, 0) == 0;
}

std::vector<std::string> Assignments::children(const std::string& path) const {
  const std::string below = path + ".";
  std::vector<std::string> out;
  for (auto it = leaves_.lower_bound(below); it != leaves_.end() && it->first.rfind(below, 0) == 0; ++it) {
    const std::string key = it->first.substr(below.size(), it->first.find('.', below.size()) - below.size());
    if (out.empty() || out.back() != key) out.push_back(key);
  }
  std::ranges::sort(out);
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

void Assignments::fill(const std::string& from, const std::string& to) {
  std::vector<std::pair<std::string, Leaf>> copies;
  const std::string below = from + ".";
  if (const Leaf* leaf = find(from)) copies.emplace_back(to, *leaf);
  for (auto it = leaves_.lower_bound(below); it != leaves_.end() && it->first.rfind(below, 0) == 0; ++it)
    copies.emplace_back(to + "." + it->first.substr(below.size()), it->second);
  for (auto& [path, leaf] : copies) leaves_.try_emplace(path, std::move(leaf));
}

void Assignments::add_node(const std::string& name, Tree marker, const std::string& origin) {
  if (std::ranges::find(nodes_, name) == nodes_.end()) nodes_.push_back(name);
  leaves_.try_emplace(name, Leaf{std::move(marker), origin});
}

}  // namespace espalier
