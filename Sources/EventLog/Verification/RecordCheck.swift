import CanonicalJSON
import LMDB
import MerkleTree

/// Reads every header and body in order, hashes them again, and rebuilds the tree beside the stored one.
///
/// It works on the bytes in the map, which stay where they are as long as the transaction that ``run(_:)`` borrows.
struct RecordCheck {
  let headers: Database
  let bodies: Database
  /// What is kept beside the records, to compare the tree and the stored head with; nil reads the records alone.
  let databases: Databases?
  /// What was signed of the log, the smallest size first.
  let signed: [HeadStatement]
  let progress: @Sendable (VerificationProgress) -> Void

  init(
    headers: Database, bodies: Database, databases: Databases?, signed: [HeadStatement],
    progress: @escaping @Sendable (VerificationProgress) -> Void
  ) {
    self.headers = headers
    self.bodies = bodies
    self.databases = databases
    self.signed = signed.sorted { $0.size < $1.size }
    self.progress = progress
  }

  /// - Returns: What was found, and the tree of the headers.
  func run(_ store: borrowing ReadTransaction) throws -> (report: VerificationReport, frontier: TreeFrontier) {
    try store.withCursor(headers) { headers in
      try store.withCursor(bodies) { bodies in try run(store, &headers, &bodies) }
    }
  }

  private func run(
    _ store: borrowing ReadTransaction, _ headers: inout Cursor, _ bodies: inout Cursor
  ) throws -> (report: VerificationReport, frontier: TreeFrontier) {
    var report = VerificationReport()
    var frontier = TreeFrontier()
    let total = try store.statistics(self.headers).entries
    var tree = try databases.map { StoredTree(try storedTree($0, store, size: total)) }
    var lastTime: [UInt8] = []
    var storedHead: StoredHead?
    do {
      if let databases { storedHead = try LogSnapshot.storedHead(store, databases) }
    } catch {
      report.note(.meta, "the stored head is damaged")
    }
    if try store.statistics(self.bodies).entries != total {
      report.note(.records, "there are not as many bodies as headers")
    }
    try headers.first()
    try bodies.first()
    var expected: UInt64 = 1
    var drops = DropLedger()
    // Up to where a signed head proves the headers, and the one that comes next.
    var proven: UInt64 = 0
    var next = 0
    while headers.isOnEntry, report.events < total {
      let key = headers.unsafeKey
      let headerBytes = headers.unsafeValue
      guard key.count == 8 else {
        report.note(.records, "a header has a key that is no position", at: expected)
        break
      }
      let position = Key.readPosition(key)
      if position != expected {
        report.note(.records, "position \(expected) is missing", at: expected)
        if position < expected { break }
        expected = position
      }
      while bodies.isOnEntry, bodies.unsafeKey.count == 8, Key.readPosition(bodies.unsafeKey) < position {
        try bodies.next()
      }
      if bodies.isOnEntry, bodies.unsafeKey.elementsEqual(key) {
        RecordCheck.check(headerBytes, bodies.unsafeValue, position, &lastTime, &drops, &report)
        try bodies.next()
      } else {
        report.note(.records, "the body is missing", at: position)
      }
      let leaf = RFC6962.leafHash(headerBytes)
      if frontier.size == position - 1 {
        var completed: [(level: UInt8, index: UInt64, hash: Digest)] = []
        frontier.append(leaf: leaf) { completed.append(($0, $1, $2)) }
        for node in completed { try tree?.compare(store, node, &report, position) }
      }
      while next < signed.count, signed[next].size <= position {
        if signed[next].size == position {
          if frontier.root() == signed[next].root {
            proven = position
          } else {
            report.note(
              .head, "the root differs from the one in the signed head: the log was changed or forked", at: position)
          }
        }
        next += 1
      }
      report.events += 1
      expected += 1
      if report.events & 0x3FFF == 0 {
        progress(VerificationProgress(phase: "records", done: report.events, total: total))
      }
      try headers.next()
    }
    drops.settle(&report)
    report.areRecordsRead = report.events == total
    if report.events != total {
      report.note(.records, "\(total) headers are counted, but \(report.events) can be read")
    }
    if let signed = signed.last, signed.size >= expected {
      report.note(
        .head, "the tail is lost: the head was signed for position \(signed.size), the log ends at \(expected - 1)",
        at: expected)
    }
    compare(storedHead, frontier, proven: proven, expected, tree?.unprovenLeaf(after: proven), &report)
    try tree?.form.count(store, frontier, &report)
    report.root = frontier.root().base64
    progress(VerificationProgress(phase: "records", done: report.events, total: total))
    return (report, frontier)
  }

  /// The stored tree of a log of so many headers, as its format has it.
  private func storedTree(
    _ databases: Databases, _ store: borrowing ReadTransaction, size: UInt64
  ) throws -> any StoredTreeForm {
    // Where the mark is damaged, that is reported as such.
    switch try LogFormat.of(store, databases.meta) ?? .current {
    case .first: StoredNodes(databases.tree)
    case .second: StoredTiles(databases.tree, size: size)
    }
  }

  /// Compares the stored head with the headers. Where they differ, or a header and its leaf do, the signed head says
  /// which of the two is right; behind its position the stored head or all leaves do, where they agree with the
  /// headers. Where nothing does, the headers count as damaged.
  /// - Parameters:
  ///   - expected: the position after the last header.
  ///   - leaf: the first position behind the proven ones whose leaf is missing or another one.
  private func compare(
    _ storedHead: StoredHead?, _ frontier: TreeFrontier, proven: UInt64, _ expected: UInt64, _ leaf: UInt64?,
    _ report: inout VerificationReport
  ) {
    let isProven = proven == frontier.size || storedHead?.frontier == frontier
    if let storedHead {
      if storedHead.frontier.size >= expected {
        report.note(
          .records, "the tail is lost: the stored head is at position \(storedHead.frontier.size)", at: expected)
      } else if storedHead.frontier != frontier {
        report.note(
          isProven || leaf == nil ? .meta : .records, "the tree's stored right edge differs from the headers'",
          at: storedHead.frontier.size)
      }
    }
    if let leaf, !isProven {
      report.note(.records, "nothing proves that this header is right and its leaf in the tree isn't", at: leaf)
    }
  }

  /// Checks a header and a body by themselves.
  static func check(
    _ header: UnsafeRawBufferPointer, _ body: UnsafeRawBufferPointer, _ position: UInt64,
    _ lastTime: inout [UInt8], _ drops: inout DropLedger, _ report: inout VerificationReport
  ) {
    var scanner = CanonicalScanner(header)
    var bodyHash: UnsafeRawBufferPointer?
    while let member = scanner.next() {
      if CanonicalScanner.equal(member.key, "body") {
        bodyHash = CanonicalScanner.plainText(member.value)
      } else if CanonicalScanner.equal(member.key, "position") {
        if CanonicalScanner.integer(member.value) != position {
          report.note(.records, "the header names another position", at: position)
        }
      } else if CanonicalScanner.equal(member.key, "at") {
        if member.value.lexicographicallyPrecedes(lastTime) {
          report.note(.records, "the event is earlier than the one before it", at: position)
        }
        lastTime.replaceSubrange(lastTime.startIndex..., with: member.value)
      }
    }
    guard scanner.isWellFormed, let bodyHash else {
      report.note(.records, "the header is damaged", at: position)
      return
    }
    let computed = RFC6962.sha256(body)
    if bodyHash.count == 44, bodyHash.elementsEqual(computed.base64.utf8) {
      return drops.take(namesIn: body, at: position, &report)
    }
    guard DroppedBody.claims(body) else {
      return report.note(.records, "the body differs from the hash in its header", at: position)
    }
    drops.take(claimOf: body, computed, at: position)
  }
}
