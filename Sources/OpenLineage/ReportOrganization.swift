import BasicTypes
import CanonicalJSON
import Crypto
import EventLog

/// The organization that a report goes to.
enum ReportOrganization {
  /// The caller's own; else the one that a rule names; else the one that stands for the namespace, as earlier versions
  /// made one for each job namespace (and dataset namespace of an event without a job); else the default one.
  static func resolve(
    namespace: String, _ kind: NamespaceRules.Kind, in target: some ReportTarget
  ) throws -> Identifier {
    if let own = target.ownOrganization { return own }
    if let ruled = try target.namespaceRules.organization(of: namespace, kind), try isLiving(ruled, in: target) {
      return ruled
    }
    let former = try target.find(
      type: "organization", constraint: "organization_namespace", values: [.string(namespace)])
    if let former { return former.id }
    return try target.defaultOrganization.map { try named($0, in: target) } ?? common(in: target)
  }

  private static func isLiving(_ organization: Identifier, in target: some ReportTarget) throws -> Bool {
    guard let state = try target.state(organization) else { return false }
    return state.type == "organization" && !state.isDeleted
  }

  /// The organization of that slug, made where there is none.
  private static func named(_ slug: String, in target: some ReportTarget) throws -> Identifier {
    if let known = try find(slug, in: target) { return known.id }
    return try make(slug, name: slug, id: identifier("organization:\(slug)"), in: target)
  }

  /// The one that is made for all reports: found by its id, whatever slug people have given it. Where it was deleted,
  /// another one takes its place.
  private static func common(in target: some ReportTarget) throws -> Identifier {
    var candidate = identifier("default-organization")
    while let known = try target.state(candidate) {
      if known.type == "organization", !known.isDeleted { return candidate }
      candidate = .version5(namespace: candidate, name: "next")
    }
    var slug = "openlineage"
    if try find(slug, in: target) != nil {
      // Somebody else has that slug, and is not who all reports are meant for.
      slug += "-\(fingerprint(candidate.text))"
    }
    return try make(slug, name: "OpenLineage", id: candidate, in: target)
  }

  private static func find(_ slug: String, in target: some ReportTarget) throws -> ResourceState? {
    try target.find(type: "organization", constraint: "organization_slug", values: [.string(slug)])
  }

  private static func identifier(_ name: String) -> Identifier {
    .version5(namespace: .urlNamespace, name: "openlineage:\(name)")
  }

  private static func make(
    _ slug: String, name: String, id: Identifier, in target: some ReportTarget
  ) throws -> Identifier {
    let state = try target.create(
      type: "organization", id: try target.state(id) == nil ? id : nil, organization: nil,
      fields: ["name": .string(name), "slug": .string(slug)], event: "created", data: [:])
    return state.id
  }

  private static func fingerprint(_ text: String) -> String {
    Hex.encode(Array(SHA256.hash(data: Array(text.utf8)).prefix(4)))
  }
}
