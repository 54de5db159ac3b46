import CanonicalJSON
import Catalog

/// An API key's permission map: verbs by plural resource.
package enum KeyPermissions {
  /// The map as sets; what is no known verb counts for nothing.
  package static func read(_ value: JSON) -> [String: Set<Permission>] {
    var map: [String: Set<Permission>] = [:]
    for (plural, verbs) in value.objectValue ?? [:] {
      map[plural] = Set((verbs.arrayValue ?? []).compactMap { $0.stringValue.flatMap(Permission.init(rawValue:)) })
    }
    return map
  }

  /// What is wrong with a map that a caller gave.
  package static func problems(_ value: JSON, plurals: Set<String>, path: String) -> [ValueProblem] {
    guard let map = value.objectValue else { return [ValueProblem(path: path, problem: "must be an object")] }
    var problems: [ValueProblem] = []
    // `audit` and `log` are no resource types, but read like ones.
    let known = plurals.union(["*", "audit", "log"])
    for (plural, verbs) in map {
      let place = "\(path)/\(JSONPointer.escape(plural))"
      if !known.contains(plural) {
        guard problems.count < Suggestion.mostHints else {
          problems.append(ValueProblem(path: place, problem: "is no resource"))
          break
        }
        let hint = Suggestion.nearest(to: plural, in: known).map { "; did you mean \($0)?" } ?? ""
        problems.append(ValueProblem(path: place, problem: "is no resource (a plural such as pipelines, or *)\(hint)"))
      }
      guard let list = verbs.arrayValue else {
        problems.append(ValueProblem(path: place, problem: "must be an array of read, write, execute, admin"))
        continue
      }
      for (index, verb) in list.enumerated() where verb.stringValue.flatMap(Permission.init(rawValue:)) == nil {
        problems.append(ValueProblem(path: "\(place)/\(index)", problem: "must be one of read, write, execute, admin"))
      }
    }
    return problems
  }

  /// Whether a caller who has `own` on some resources may hand out `wanted`.
  package static func covers(own: [String: Set<Permission>], wanted: [String: Set<Permission>]) -> Bool {
    let everywhere = own["*"] ?? []
    return wanted.allSatisfy { plural, verbs in
      plural == "*" ? everywhere.isSuperset(of: verbs) : everywhere.union(own[plural] ?? []).isSuperset(of: verbs)
    }
  }
}
