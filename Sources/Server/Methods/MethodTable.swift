import Catalog
import Domain
import Queries
import Refusals

/// Every method that the socket has, by name: commands, queries, and the server's own. A call is looked up here once;
/// the entry goes with it from then on.
struct MethodTable: Sendable {
  /// A method, and who answers it.
  enum Entry: Sendable {
    case command(CommandMethod)
    case query(QueryMethod)
    case server(ServerMethod)

    /// What everybody may know of it.
    var signature: MethodSignature {
      switch self {
      case .command(let command): command.signature
      case .query(let query): query.signature
      case .server(let method): method.signature
      }
    }

    /// Whether it is answered to those who haven't signed in.
    var isOpenToStrangers: Bool {
      if case .server(let method) = self { method.access == .anyone } else { false }
    }
  }

  /// An entry with its number: its place among ``signatures``, by which it is counted.
  struct Numbered: Sendable {
    let entry: Entry
    let number: Int
  }

  private let entries: [String: Numbered]

  /// The server's own methods come before a command or query of the same name.
  init(commands: [CommandMethod], queries: [QueryMethod], server: [ServerMethod]) {
    let all = queries.map(Entry.query) + commands.map(Entry.command) + server.map(Entry.server)
    let named = Dictionary(all.map { ($0.signature.name, $0) }, uniquingKeysWith: { _, last in last })
    let numbered = named.sorted { $0.key < $1.key }.enumerated().map { number, member in
      (member.key, Numbered(entry: member.value, number: number))
    }
    entries = Dictionary(numbered, uniquingKeysWith: { first, _ in first })
  }

  /// How many methods there are.
  var count: Int { entries.count }

  /// All methods, in the order of their names.
  var signatures: [MethodSignature] { numbered.map(\.entry.signature) }

  /// All of them, each at its number.
  var numbered: [Numbered] { entries.values.sorted { $0.number < $1.number } }

  /// The method of that name.
  subscript(name: String) -> Entry? { find(name)?.entry }

  /// The method of that name, with its number.
  func find(_ name: String) -> Numbered? {
    // Swift compares strings by normalization; a method's name is its bytes.
    guard name.utf8.allSatisfy({ $0 < 0x80 }) else { return nil }
    return entries[name]
  }

  /// What a call of a method is refused with that there is none of.
  func unknown(_ name: String) -> Refusal {
    .methodNotFound(name, among: entries.keys)
  }
}
