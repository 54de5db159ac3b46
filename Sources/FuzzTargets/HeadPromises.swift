import BasicTypes
import EventLog
import MerkleTree

/// What must hold of every file that is taken for a signed head, and of the log's own record of its end.
enum HeadPromises {
  static func target() throws -> FuzzTarget {
    let signed = try NotePromises.Signed()
    let notes = try signed.sizes.map { Array(try signed.signer.sign(try signed.checkpoint($0)).serialized.utf8) }
    let padded = notes.map { $0 + [UInt8](repeating: 0, count: 512 - $0.count) }
    var head = StoredHead()
    var heads = [head.encoded]
    head.at = Timestamp(microseconds: 1_764_374_400_000_000)
    for size in 1...3 as ClosedRange<UInt64> {
      head.frontier.append(leaf: signed.root(size)) { _, _, _ in }
      heads.append(head.encoded)
    }
    let words = ["\u{2014} ", "\n", "\u{0}", "daybook/fuzz", "\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}\u{1}"]
    return FuzzTarget(.head, seeds: padded + notes + heads, words: words, maximumLength: 2048) { try check($0, signed) }
  }

  static func check(_ input: [UInt8], _ signed: NotePromises.Signed) throws -> Bool {
    let verifier = signed.signer.verifier
    func verify(_ note: String) -> HeadStatement? {
      verifier.checkpoint(of: Array(note.utf8), origin: verifier.name).map { ($0.size, $0.root) }
    }
    let slot = HeadSlots.Slot(input, verify)
    let other = HeadSlots.Slot.statement(size: 2, root: signed.root(2))
    if let statement = slot.statement {
      try promise("only what was signed is stated", signed.sizes.contains(statement.size))
      try promise("a size is stated with its root", statement.root == signed.root(statement.size))
      if statement.size != 2 {
        try promise("the newest statement counts", HeadSlots.newest([slot, other]) == (statement.size > 2 ? 0 : 1))
      }
      try promise(
        "what states nothing is passed over",
        HeadSlots.newest([slot, .unreadable]) == 0 && HeadSlots.newest([.blank, slot]) == 1)
    } else {
      try promise("what states nothing changes nothing", HeadSlots.newest([slot, other]) == 1)
      try promise("nothing is stated by what is blank or unreadable", HeadSlots.newest([slot, slot]) == nil)
    }
    let stored = input.withUnsafeBytes { StoredHead($0) }
    if let stored {
      try promise("the record of the log's end prints to the same bytes", stored.encoded == input)
      try promise(
        "a tree of that size has as many complete subtrees",
        stored.frontier.hashes.count == TreeFrontier.nodes(ofSize: stored.frontier.size).count)
    }
    return stored != nil || slot.statement != nil
  }
}
