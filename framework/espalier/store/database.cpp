#include "espalier/store/database.h"

#include "espalier/error.h"

namespace espalier {

Transaction::~Transaction() {
  if (!open_) return;
  try {
    database_.run("rollback");
  } catch (const Error&) {
    // The connection is gone, and with it the transaction.
  }
}

void Transaction::commit() {
  database_.commit();
  open_ = false;
}

}  // namespace espalier
