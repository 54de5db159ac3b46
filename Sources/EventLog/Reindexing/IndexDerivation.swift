import BasicTypes

/// How the indexes follow from the records, as far as that takes the catalog and the vault.
///
/// All functions are called on one thread. They may throw; nothing is changed in the log then.
public struct IndexDerivation: Sendable {
  /// What a living resource has in the indexes.
  public struct Entries: Sendable {
    /// The unique keys that it holds.
    public var unique: [(constraint: String, key: [UInt8])]
    /// What it refers to.
    public var links: [Identifier]

    /// Entries of these keys and targets.
    public init(unique: [(constraint: String, key: [UInt8])] = [], links: [Identifier] = []) {
      self.unique = unique
      self.links = links
    }
  }

  /// What states have besides what their events have set.
  public var defaults: StateDefaults
  /// What the person who asked for it should know of where it comes from.
  public var notes: [String]
  /// What a state has in the indexes; nothing where it is deleted.
  public var entries: @Sendable (ResourceState, borrowing LogSnapshot) throws -> Entries
  /// The persons whom a record is about.
  public var subjects: @Sendable (EventHeader, EventBody, borrowing LogSnapshot) throws -> [Identifier]

  /// Under what the answer to an actor's command id is kept today, and with which fingerprint, where a log of
  /// ``LogFormat/first`` has it otherwise.
  public var command: @Sendable (_ actor: String, _ id: String, StoredCommand) throws -> (id: String, StoredCommand)

  /// A derivation by these functions.
  public init(
    defaults: StateDefaults = StateDefaults(), notes: [String] = [],
    entries: @escaping @Sendable (ResourceState, borrowing LogSnapshot) throws -> Entries,
    subjects: @escaping @Sendable (EventHeader, EventBody, borrowing LogSnapshot) throws -> [Identifier],
    command: @escaping @Sendable (String, String, StoredCommand) throws -> (id: String, StoredCommand) = { ($1, $2) }
  ) {
    self.defaults = defaults
    self.notes = notes
    self.entries = entries
    self.subjects = subjects
    self.command = command
  }
}
