import CanonicalJSON
import DaybookClient

#if canImport(Glibc)
  import Glibc
#endif

/// What ids stand for, as the caller may know it: people by their e-mail addresses, everything else by its name.
///
/// At a terminal a name comes with the end of its id, as long as it takes to tell the ids that are shown apart: their
/// beginnings are alike, since they hold the time. Elsewhere ids are whole.
struct Names {
  /// A resource that is shown: its type, where it is known, and its id.
  struct Mention: Hashable {
    let type: String
    let id: String
  }

  /// The members that name a resource, the best first.
  static let labels = [
    "name", "title", "email", "slug", "dag_id", "original_filename", "filename", "full_name", "username", "key_prefix",
    "token_prefix",
  ]

  /// By id.
  private var names = JSONObject()
  /// How ids are shown.
  private var endings = Endings([])

  /// Asks for the names of what is mentioned. What the caller may not know of stays an id.
  /// - Parameter actors: Who did something, as the log names them: `user:ID`, `api_key:ID`, `local:UID`.
  static func of(
    actors: some Sequence<String> = [], _ mentions: some Sequence<Mention> = [], _ client: DaybookClient
  ) async -> Names {
    var names = Names()
    var asked = Set(mentions.filter { Lookup.isIdentifier($0.id) && !$0.type.isEmpty })
    for actor in actors {
      guard let mention = mention(of: actor) else { continue }
      asked.insert(mention)
    }
    await names.ask(for: asked, client)
    names.endings = Endings(asked.map(\.id))
    return names
  }

  /// The resource that stands in an actor.
  private static func mention(of actor: String) -> Mention? {
    let parts = actor.split(separator: ":", maxSplits: 1).map(String.init)
    guard parts.count == 2, Lookup.isIdentifier(parts[1]) else { return nil }
    return Mention(type: parts[0], id: parts[1])
  }

  /// How many are asked for at once: their answers are kept until all of them are there.
  private static let atOnce = 200

  private mutating func ask(for all: Set<Mention>, _ client: DaybookClient) async {
    let all = Array(all)
    for start in stride(from: 0, to: all.count, by: Self.atOnce) {
      await ask(forSome: all[start..<min(all.count, start + Self.atOnce)], client)
    }
  }

  private mutating func ask(forSome asked: ArraySlice<Mention>, _ client: DaybookClient) async {
    // An answer to one isn't waited for before the next is asked for.
    let replies = asked.map { mention in
      (
        mention,
        client.send("\(mention.type).get", ["id": .string(mention.id), "include_deleted": true])
      )
    }
    var through: [(run: String, pipeline: String)] = []
    for (mention, reply) in replies {
      // Of what can't be seen there is no name.
      guard let item = try? await reply.value["item"] else { continue }
      if let name = Self.label(of: item, type: mention.type) {
        names[mention.id] = .string(name)
      } else if let pipeline = item["pipeline_id"]?.stringValue {
        through.append((mention.id, pipeline))
      }
    }
    guard !through.isEmpty else { return }
    var rest = Self()
    await rest.ask(for: Set(through.map { Mention(type: "pipeline", id: $0.pipeline) }), client)
    for (run, pipeline) in through {
      if let name = rest.names[pipeline]?.stringValue { names[run] = .string("run of \(name)") }
    }
  }

  /// What a resource is called; nil where nothing names it.
  static func label(of item: JSON, type: String) -> String? {
    let members = type == "user" ? ["email", "full_name", "username"] : labels
    return members.compactMap { item[$0]?.stringValue }.first { !$0.isEmpty }
  }

  /// How ids are shown: their ends at a terminal, as long as it takes to tell them apart, and whole elsewhere.
  struct Endings {
    private let length: Int

    init(_ ids: [String]) {
      let distinct = Set(ids)
      length = (6..<12).first { length in Set(distinct.map { $0.suffix(length) }).count == distinct.count } ?? 12
    }

    /// An id, as it is shown.
    func shown(_ id: String) -> String {
      Terminal.isInteractive && Lookup.isIdentifier(id) ? "…\(id.suffix(length))" : id
    }
  }

  /// The id as it is shown.
  func shown(id: String) -> String { endings.shown(id) }

  /// The name of what has this id; nil where it isn't known.
  func name(of id: String) -> String? { names[id]?.stringValue }

  /// A resource: its name and its id, or the id alone.
  func resource(_ id: String) -> String {
    guard let name = name(of: id) else { return shown(id: id) }
    return "\(Terminal.plain(name)) \(shown(id: id))"
  }

  /// Who did something: a name at a terminal; elsewhere a name and the actor as the log has it.
  func actor(_ actor: String) -> String {
    guard let name = actorName(actor) else {
      guard Terminal.isInteractive, let mention = Self.mention(of: actor) else { return actor }
      return "\(mention.type) \(shown(id: mention.id))"
    }
    return Terminal.isInteractive || name == actor ? Terminal.plain(name) : "\(Terminal.plain(name)) \(actor)"
  }

  /// Who did something that an answer tells of: where an API key acted for a person, that person and the key.
  func who(_ item: JSON) -> String {
    let actor = actor(item.cell("actor"))
    guard let person = item["on_behalf_of"]?.stringValue else { return actor }
    return "\(self.actor("user:\(person)")) by \(actor)"
  }

  private func actorName(_ actor: String) -> String? {
    if let mention = Self.mention(of: actor) {
      guard let name = name(of: mention.id) else { return nil }
      return mention.type == "user" ? name : "\(mention.type == "api_key" ? "key" : mention.type) \(name)"
    }
    let parts = actor.split(separator: ":", maxSplits: 1)
    guard parts.count == 2, parts[0] == "local", let uid = uid_t(parts[1]) else { return nil }
    // Only root has the same number on every machine.
    return uid == 0 ? "root (local)" : "user \(uid) (local)"
  }
}

extension Sequence where Element == JSON {
  /// Who did what these tell of, and for whom, as ``Names/of(actors:_:_:)`` takes them.
  var actors: [String] { texts("actor") + texts("on_behalf_of").map { "user:\($0)" } }

  /// The texts of a member.
  func texts(_ key: String) -> [String] { compactMap { $0[key]?.stringValue } }
}
