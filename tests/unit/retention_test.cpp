#include "catch.h"
#include "espalier/data/files.h"
#include "espalier/study/retention.h"
#include "espalier/study/winner.h"

#include <algorithm>
#include <fstream>
#include <set>

using namespace espalier;

namespace {

/// Four trials of a megabyte a file: two complete (the second is the better one), one paused after two orders, one running.
class Made {
 public:
  Made() : store(open_memory()) {
    for (int i = 0; i < 4; ++i) store->add({{"x", i}}, "", {});
    for (int i = 0; i < 2; ++i) {
      const Lease lease = store->claim("a", 60.0).value();
      write(i, 1, {"epoch-0001.ckpt", "epoch-0002.ckpt", "model.safetensors"});
      store->record_checkpoint(lease, name(i, 1, "epoch-0002.ckpt"), "", 2);
      store->set_info(weights_key(i, ""), name(i, 1, "model.safetensors"));
      store->complete(lease, {}, 0.5 + 0.1 * i, 1.0);
    }
    const Lease paused = store->claim("a", 60.0).value();
    write(2, 1, {"epoch-0001.ckpt", "model.safetensors"});
    write(2, 2, {"epoch-0002.ckpt", "epoch-0003.ckpt", "model.safetensors"});
    store->record_checkpoint(paused, name(2, 2, "epoch-0003.ckpt"), "", 3);
    store->set_info(weights_key(2, ""), name(2, 2, "model.safetensors"));
    store->pause(paused, {}, 0.4, 1.0);
    store->claim("a", 60.0);
    write(3, 1, {"epoch-0001.ckpt", "epoch-0002.ckpt"});
  }

  std::set<std::string> removed(const Retention& retention) const {
    std::set<std::string> out;
    for (const Removable& file : removable_files(folder.path(), *store, true, retention)) out.insert(file.file.string());
    return out;
  }

  static std::string name(int trial, int attempt, const std::string& file) {
    return "trials/000" + std::to_string(trial) + "/attempts/" + std::to_string(attempt) + "/" + file;
  }

  TemporaryFolder folder;
  std::unique_ptr<Store> store;

 private:
  void write(int trial, int attempt, const std::vector<std::string>& files) const {
    for (const std::string& file : files) {
      const auto path = folder.path() / name(trial, attempt, file);
      std::filesystem::create_directories(path.parent_path());
      std::ofstream(path) << std::string(1000000, 'x');
    }
  }
};

}  // namespace

TEST_CASE("what can still be of use is kept: scored weights, and where a waiting trial goes on from") {
  const Made made;
  const std::set<std::string> rule{made.name(0, 1, "epoch-0001.ckpt"), made.name(0, 1, "epoch-0002.ckpt"), made.name(1, 1, "epoch-0001.ckpt"),
                                   made.name(1, 1, "epoch-0002.ckpt"), made.name(2, 1, "epoch-0001.ckpt"), made.name(2, 1, "model.safetensors"),
                                   made.name(2, 2, "epoch-0002.ckpt")};
  CHECK(made.removed({}) == rule);
  CHECK(made.removed({.checkpoints = "all"}).empty());
  std::set<std::string> best = rule;
  best.insert(made.name(0, 1, "model.safetensors"));
  CHECK(made.removed({.checkpoints = "best"}) == best);
}

TEST_CASE("a quota takes the weights of the worst trials, never those of the best") {
  const Made made;
  // Kept without it: weights of 0 and 1, weights and checkpoint of 2.
  CHECK_FALSE(made.removed({.quota = 4.5e6}).contains(made.name(0, 1, "model.safetensors")));
  CHECK(made.removed({.quota = 3.5e6}).contains(made.name(0, 1, "model.safetensors")));
  const auto all = made.removed({.quota = 1.0});
  CHECK_FALSE(all.contains(made.name(1, 1, "model.safetensors")));
  CHECK_FALSE(all.contains(made.name(2, 2, "epoch-0003.ckpt")));
}

TEST_CASE("one trial's own files are told without a look at the others") {
  const Made made;
  std::set<std::string> out;
  for (const Removable& file : removable_files_of(0, made.folder.path(), *made.store, {.checkpoints = "best"})) out.insert(file.file.string());
  CHECK(out == std::set<std::string>{Made::name(0, 1, "epoch-0001.ckpt"), Made::name(0, 1, "epoch-0002.ckpt")});
  CHECK(removable_files_of(3, made.folder.path(), *made.store, {}).empty());
}

TEST_CASE("files are removed once, and what is gone frees nothing") {
  const Made made;
  const auto files = removable_files(made.folder.path(), *made.store, true, {});
  CHECK(remove_files(made.folder.path(), files) == 7000000);
  CHECK(remove_files(made.folder.path(), files) == 0);
  CHECK(removable_files(made.folder.path(), *made.store, true, {}).empty());
}
