/// Something that reads bytes from outside, with what must hold whatever the bytes are.
///
/// `tools/fuzz` looks for bytes for which it doesn't hold, guided by what of the code they reach; the tests of this
/// module try some seconds of random ones in every run.
package struct FuzzTarget: Sendable {
  /// The targets by name.
  package enum Kind: String, CaseIterable, Sendable {
    /// A JSON text.
    case json
    /// A stream that is cut into lines.
    case lines
    /// One line of a client or a server.
    case requests
    /// OpenLineage events, one a line.
    case openlineage
    /// One YAML file of `schema/`.
    case catalog
    /// One SQL file of `projections/`.
    case projections
    /// The file of the vault's keys.
    case keys
    /// A signed note, and the text of a key that checks it.
    case note
    /// What the log states of its end: the files of the signed head, and the log's own record.
    case head
    /// What a verifier reads of an evidence bundle: the manifest, the terms, the proof of a range.
    case evidence
  }

  /// Which one it is.
  package let kind: Kind
  /// Inputs that are read without complaint, from which others are made; none is longer than ``maximumLength``.
  package let seeds: [[UInt8]]
  /// Words that inputs consist of.
  package let words: [String]
  /// The length that inputs are kept to, in bytes.
  package let maximumLength: Int
  /// Checks all that must hold of one input. Returns whether the input was read as well formed.
  ///
  /// Throws a ``BrokenPromise`` where something doesn't hold.
  package let check: @Sendable (_ input: [UInt8]) throws -> Bool

  init(
    _ kind: Kind, seeds: [[UInt8]], words: [String], maximumLength: Int = 4096,
    check: @escaping @Sendable (_ input: [UInt8]) throws -> Bool
  ) {
    self.kind = kind
    self.seeds = seeds.filter { $0.count <= maximumLength }
    self.words = words
    self.maximumLength = maximumLength
    self.check = check
  }

  /// The target of that name.
  /// - Parameter repository: the folder with `schema/`, `projections/` and `tools/`, from which seeds are made.
  /// - Throws: Where a file of the repository can't be read.
  package static func make(_ kind: Kind, repository: String) throws -> FuzzTarget {
    switch kind {
    case .json: JSONPromises.target
    case .lines: LinePromises.target
    case .requests: RequestPromises.target
    case .openlineage: try OpenLineagePromises.target(repository: repository)
    case .catalog: try CatalogPromises.target(repository: repository)
    case .projections: try ProjectionPromises.target(repository: repository)
    case .keys: try KeyStorePromises.target()
    case .note: try NotePromises.target()
    case .head: try HeadPromises.target()
    case .evidence: try EvidencePromises.target()
    }
  }
}

/// Something that must hold of every input, and didn't.
package struct BrokenPromise: Error, CustomStringConvertible {
  /// What must hold, in a sentence.
  package let description: String
}

/// Throws a ``BrokenPromise`` where what is promised doesn't hold.
func promise(_ sentence: @autoclosure () -> String, _ holds: Bool) throws {
  guard holds else { throw BrokenPromise(description: sentence()) }
}
