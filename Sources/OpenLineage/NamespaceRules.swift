import BasicTypes
import CanonicalJSON
import EventLog

/// Which organization's the reports of a namespace are, as administrators have said.
public struct NamespaceRules: Sendable {
  /// What a namespace is the namespace of.
  public enum Kind: String, Sendable, CaseIterable {
    /// Of a job: it decides for every event that has one.
    case job
    /// Of a dataset: it decides for events about a dataset alone.
    case dataset
  }

  /// How a rule's namespace is compared.
  public enum Match: String, Sendable, CaseIterable {
    /// The whole of it.
    case exact
    /// Its beginning.
    case prefix

    /// Whether a namespace is the one that is meant, or begins so.
    package func fits(_ namespace: String, _ meant: String) -> Bool {
      switch self {
      case .exact: namespace.utf8.elementsEqual(meant.utf8)
      case .prefix: namespace.utf8.starts(with: meant.utf8)
      }
    }
  }

  /// One rule.
  public struct Rule: Sendable, Equatable {
    /// Of what the namespace is.
    public let kind: Kind
    /// How it is compared.
    public let match: Match
    /// The namespace, or how it begins.
    public let namespace: String
    /// Where its reports go.
    public let organization: Identifier

    /// A rule.
    public init(kind: Kind, match: Match, namespace: String, organization: Identifier) {
      self.kind = kind
      self.match = match
      self.namespace = namespace
      self.organization = organization
    }

    /// The rule as the log has it; nil where it is none.
    init?(_ json: JSON) {
      guard let kind = json["kind"]?.stringValue.flatMap(Kind.init),
        let match = json["match"]?.stringValue.flatMap(Match.init), let namespace = json["namespace"]?.stringValue,
        let organization = json["organization_id"]?.stringValue.flatMap({ Identifier($0) })
      else { return nil }
      self.init(kind: kind, match: match, namespace: namespace, organization: organization)
    }

    /// The rule as the log has it.
    public var json: JSON {
      [
        "kind": .string(kind.rawValue), "match": .string(match.rawValue), "namespace": .string(namespace),
        "organization_id": .string(organization.text),
      ]
    }

    /// Whether another rule speaks of the same, so that only one of them can be in force.
    public func replaces(_ other: Rule) -> Bool {
      kind == other.kind && match == other.match && namespace.utf8.elementsEqual(other.namespace.utf8)
    }

    fileprivate func fits(_ namespace: String, _ kind: Kind) -> Bool {
      kind == self.kind && match.fits(namespace, self.namespace)
    }

    /// The greater, the sooner it decides.
    fileprivate var weight: Int { match == .exact ? .max : namespace.utf8.count }
  }

  /// Where the log keeps them.
  package static let place: DerivedIdentifier = {
    let name = "daybook:openlineage-rules"
    return DerivedIdentifier(
      name: name, type: "openlineage", organization: nil, former: .version5(namespace: .urlNamespace, name: name))
  }()

  /// How many rules there may be: each is compared with the namespace of each report.
  public static let limit = 1000

  /// The rules, in the order in which they were made.
  public let rules: [Rule]

  /// Rules as a list.
  public init(_ rules: [Rule] = []) {
    self.rules = rules
  }

  /// Rules as the log has them.
  public init(_ json: JSON?) {
    self.init((json?.arrayValue ?? []).compactMap { Rule($0) })
  }

  /// The list as the log has it.
  public var json: JSON { .array(rules.map(\.json)) }

  /// Where the reports of a namespace go: an exact rule comes before prefixes, and a longer prefix before a shorter
  /// one. Nil where no rule speaks of it.
  public func organization(of namespace: String, _ kind: Kind) -> Identifier? {
    rules.filter { $0.fits(namespace, kind) }.max { $0.weight < $1.weight }?.organization
  }
}
