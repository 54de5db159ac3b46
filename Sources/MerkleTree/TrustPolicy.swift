import BasicTypes

/// Whose signatures make a checkpoint valid: a C2SP `tlog-policy`. It knows logs, witnesses, and the quorum of
/// witnesses that must have cosigned.
///
/// Names of witnesses and groups are octets, as the specification says: two names are one where their bytes are equal.
public struct TrustPolicy: Sendable, Hashable {
  /// The name of a witness or group.
  public typealias Name = [UInt8]
  /// A URL as it stands in the file: octets, too.
  public typealias Place = [UInt8]

  /// A log whose checkpoints are accepted.
  public struct Log: Sendable, Hashable {
    /// The key; its name is the origin of the log's checkpoints.
    public let verifier: NoteVerifier
    /// Where the log is asked, in whatever way the reader of the policy knows.
    public let url: Place?

    /// A log.
    public init(_ verifier: NoteVerifier, url: Place? = nil) {
      self.verifier = verifier
      self.url = url
    }
  }

  /// A witness, by the name that groups and the quorum call it.
  public struct Witness: Sendable, Hashable {
    /// What groups and the quorum call it.
    public let name: Name
    /// The key of its cosignatures.
    public let verifier: NoteVerifier
    /// Its submission prefix (C2SP tlog-witness).
    public let url: Place?

    /// A witness, by the name of its key where no other is given.
    public init(_ verifier: NoteVerifier, name: Name? = nil, url: Place? = nil) {
      self.name = name ?? Array(verifier.name.utf8)
      self.verifier = verifier
      self.url = url
    }
  }

  /// Witnesses and groups of which at least `threshold` must have witnessed a checkpoint.
  public struct Group: Sendable, Hashable {
    /// What further groups and the quorum call it.
    public let name: Name
    /// How many of the members it takes: at least 1, at most all.
    public let threshold: Int
    /// Witnesses, and groups that were defined before.
    public let members: [Name]

    /// A group.
    public init(name: Name, threshold: Int, members: [Name]) {
      self.name = name
      self.threshold = threshold
      self.members = members
    }
  }

  /// The logs, in the order of their lines.
  public let logs: [Log]
  /// The witnesses, in the order of their lines.
  public let witnesses: [Witness]
  /// The groups, in the order of their lines.
  public let groups: [Group]
  /// The witness or group that must have witnessed a checkpoint; nil where none need have.
  public let quorum: Name?

  /// Policies of more logs, witnesses or groups than this, of each, are refused.
  public static let most = 1000

  /// A policy of these parts.
  ///
  /// - Throws: ``NoteError`` where a log or witness is there twice, a name is taken, no name or not defined before, or
  ///   a threshold is out of range.
  public init(logs: [Log], witnesses: [Witness] = [], groups: [Group] = [], quorum: Name? = nil) throws(NoteError) {
    var reader = TrustPolicyReader()
    for log in logs { try reader.add(log) }
    for witness in witnesses { try reader.add(witness) }
    for group in groups { try reader.add(group) }
    try reader.setQuorum(quorum)
    self = try reader.policy()
  }

  /// The policy that a file spells.
  ///
  /// - Throws: ``NoteError``, with the number of the line that departs from C2SP tlog-policy.
  public init(parsing bytes: some Collection<UInt8>) throws(NoteError) {
    var reader = TrustPolicyReader()
    // The last line may lack its line feed: a file that an editor made is no other policy.
    for (index, line) in bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).enumerated() {
      do throws(NoteError) {
        try reader.read(line: Array(line))
      } catch {
        throw NoteError.malformed("line \(index + 1) of the policy: \(error)")
      }
    }
    self = try reader.policy()
  }

  init(checked logs: [Log], witnesses: [Witness], groups: [Group], quorum: Name?) {
    self.logs = logs
    self.witnesses = witnesses
    self.groups = groups
    self.quorum = quorum
  }

  /// The policy as a file, which reads back as the same policy.
  public var serialized: [UInt8] {
    func line(_ word: String, _ items: [[UInt8]]) -> [UInt8] {
      Array(word.utf8) + items.flatMap { [UInt8(ascii: " ")] + $0 } + [UInt8(ascii: "\n")]
    }
    func place(_ url: Place?) -> [Place] { url.map { [$0] } ?? [] }
    return logs.flatMap { line("log", [Array($0.verifier.vkey.utf8)] + place($0.url)) }
      + witnesses.flatMap { line("witness", [$0.name, Array($0.verifier.vkey.utf8)] + place($0.url)) }
      + groups.flatMap { group in
        let takes = group.threshold == group.members.count ? "all" : String(group.threshold)
        return line("group", [group.name, Array(takes.utf8)] + group.members)
      }
      + line("quorum", [quorum ?? TrustPolicy.none])
  }

  /// What the quorum is called that asks for nobody.
  static let none = Array("none".utf8)
}

extension TrustPolicy {
  /// What a policy says of a checkpoint.
  public struct Verdict: Sendable {
    /// The log that signed it; nil where none of the policy's did, or the policy names no log.
    public let log: Log?
    /// The witnesses that cosigned it, each with the time that it states.
    public let cosigned: [(witness: Witness, time: Timestamp)]
    /// The witnesses under whose key and name a signature stands that is wrong.
    public let forged: [Witness]
    /// Why the quorum isn't met, as a part of a sentence; nil where it is met.
    public let unmet: String?
  }

  /// What the policy says of a signed checkpoint.
  ///
  /// A witness counts where every signature line that claims to be its is right.
  public func judge(_ note: SignedNote) -> Verdict {
    let log = logs.first { log in
      log.verifier.checkpoint(of: Array(note.serialized.utf8), origin: log.verifier.name) != nil
    }
    var cosigned: [(witness: Witness, time: Timestamp)] = []
    var forged: [Witness] = []
    for witness in witnesses {
      if let time = witness.verifier.cosignatureTime(note) {
        cosigned.append((witness, time))
      } else if witness.verifier.isClaimed(by: note) {
        forged.append(witness)
      }
    }
    return Verdict(
      log: log, cosigned: cosigned, forged: forged, unmet: unmet(by: Set(cosigned.map(\.witness.name))))
  }

  private func unmet(by cosigners: Set<Name>) -> String? {
    guard let quorum else { return nil }
    var witnessed = cosigners
    // A group's members are defined before it, so one pass in the order of the lines is enough.
    for group in groups where group.members.filter(witnessed.contains).count >= group.threshold {
      witnessed.insert(group.name)
    }
    guard !witnessed.contains(quorum) else { return nil }
    guard let group = groups.first(where: { $0.name == quorum }) else {
      return "the witness \(TrustPolicy.text(quorum)) has not cosigned"
    }
    let have = group.members.filter(witnessed.contains).count
    let names = group.members.map(TrustPolicy.text).joined(separator: ", ")
    return "the quorum \(TrustPolicy.text(quorum)) takes \(group.threshold) of \(names), and has \(have)"
  }

  /// A name for people.
  public static func text(_ name: Name) -> String { String(decoding: name, as: UTF8.self) }
}

/// Collects the lines of a policy, each checked against those before.
struct TrustPolicyReader {
  private var logs: [TrustPolicy.Log] = []
  private var witnesses: [TrustPolicy.Witness] = []
  private var groups: [TrustPolicy.Group] = []
  private var quorum: TrustPolicy.Name??
  private var names: Set<TrustPolicy.Name> = []
  /// Those that are a member of a group already: each may be one once, so that it counts once.
  private var members: Set<TrustPolicy.Name> = []

  mutating func read(line: [UInt8]) throws(NoteError) {
    guard line.allSatisfy({ $0 == 0x09 || ($0 >= 0x20 && $0 != 0x7F) }) else {
      throw NoteError.malformed("the only control characters of a policy are tabs and line feeds")
    }
    let items = line.split { $0 == 0x20 || $0 == 0x09 }.map(Array.init)
    guard let word = items.first, word.first != UInt8(ascii: "#") else { return }
    switch String(decoding: word, as: UTF8.self) {
    case "log":
      guard items.count == 2 || items.count == 3 else { throw NoteError.malformed("a log is: log VKEY [URL]") }
      try add(TrustPolicy.Log(try Self.key(items[1]), url: items.dropFirst(2).first))
    case "witness":
      guard items.count == 3 || items.count == 4 else {
        throw NoteError.malformed("a witness is: witness NAME VKEY [URL]")
      }
      try add(
        TrustPolicy.Witness(
          try Self.key(items[2]), name: items[1], url: items.dropFirst(3).first))
    case "group":
      guard items.count >= 4 else { throw NoteError.malformed("a group is: group NAME all|any|COUNT MEMBER…") }
      let members = Array(items[3...])
      try add(
        TrustPolicy.Group(
          name: items[1], threshold: try Self.threshold(items[2], of: members.count), members: members))
    case "quorum":
      guard items.count == 2 else { throw NoteError.malformed("a quorum is: quorum NAME, or quorum none") }
      try setQuorum(items[1] == TrustPolicy.none ? nil : items[1])
    default:
      throw NoteError.malformed("it begins with none of log, witness, group and quorum")
    }
  }

  mutating func add(_ log: TrustPolicy.Log) throws(NoteError) {
    guard log.verifier.algorithm == .ed25519 else {
      throw NoteError.malformed("the key of a log signs notes (algorithm 1), and this is a witness's")
    }
    guard !logs.contains(where: { $0.verifier.publicKey == log.verifier.publicKey }) else {
      throw NoteError.malformed("the log's key is that of another log line")
    }
    try Self.check(logs.count)
    logs.append(log)
  }

  mutating func add(_ witness: TrustPolicy.Witness) throws(NoteError) {
    guard witness.verifier.algorithm == .cosignature else {
      throw NoteError.malformed("the key of a witness cosigns checkpoints (algorithm 4), and this is a log's")
    }
    guard !witnesses.contains(where: { $0.verifier.publicKey == witness.verifier.publicKey }) else {
      throw NoteError.malformed("the witness's key is that of another witness line")
    }
    try Self.check(witnesses.count)
    try define(witness.name)
    witnesses.append(witness)
  }

  mutating func add(_ group: TrustPolicy.Group) throws(NoteError) {
    guard (1...max(group.members.count, 1)).contains(group.threshold), !group.members.isEmpty else {
      throw NoteError.malformed("a group takes at least 1 of its members, and at most all of them")
    }
    try Self.check(groups.count)
    for member in group.members {
      guard names.contains(member) else {
        throw NoteError.malformed("\(TrustPolicy.text(member)) is no witness or group of a line before")
      }
      guard members.insert(member).inserted else {
        throw NoteError.malformed("\(TrustPolicy.text(member)) is a member of a group already, and may be one once")
      }
    }
    try define(group.name)
    groups.append(group)
  }

  mutating func setQuorum(_ name: TrustPolicy.Name?) throws(NoteError) {
    guard quorum == nil else { throw NoteError.malformed("it is a second quorum, and a policy has one") }
    if let name, !names.contains(name) {
      throw NoteError.malformed("the quorum \(TrustPolicy.text(name)) is no witness or group of a line before")
    }
    quorum = .some(name)
  }

  func policy() throws(NoteError) -> TrustPolicy {
    guard let quorum else { throw NoteError.malformed("the policy has no quorum line; quorum none asks for nobody") }
    return TrustPolicy(checked: logs, witnesses: witnesses, groups: groups, quorum: quorum)
  }

  private mutating func define(_ name: TrustPolicy.Name) throws(NoteError) {
    guard !name.isEmpty, name.allSatisfy({ $0 > 0x20 && $0 != 0x7F }) else {
      throw NoteError.malformed("a name is not empty, and has no spaces and control characters")
    }
    guard name != TrustPolicy.none else { throw NoteError.malformed("none is no name for a witness or group") }
    guard names.insert(name).inserted else {
      throw NoteError.malformed("\(TrustPolicy.text(name)) is the name of another witness or group")
    }
  }

  private static func check(_ count: Int) throws(NoteError) {
    guard count < TrustPolicy.most else {
      throw NoteError.malformed("a policy has at most \(TrustPolicy.most) logs, witnesses and groups, of each")
    }
  }

  private static func key(_ bytes: [UInt8]) throws(NoteError) -> NoteVerifier {
    guard let text = String(validating: bytes, as: UTF8.self) else {
      throw NoteError.malformed("a key text is UTF-8")
    }
    return try NoteVerifier(vkey: text)
  }

  private static func threshold(_ bytes: [UInt8], of count: Int) throws(NoteError) -> Int {
    switch String(decoding: bytes, as: UTF8.self) {
    case "any": return 1
    case "all": return count
    case let text:
      guard let first = bytes.first, first != UInt8(ascii: "0"), bytes.allSatisfy({ (0x30...0x39).contains($0) }),
        let number = Int(text)
      else { throw NoteError.malformed("a group takes all, any, or a decimal number of its members") }
      return number
    }
  }
}
