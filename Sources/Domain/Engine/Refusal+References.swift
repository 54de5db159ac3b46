import BasicTypes
import CanonicalJSON
import Refusals

extension Refusal {
  /// What a parameter refers to, and what is wrong with that.
  struct ReferenceProblem {
    let path: String
    let problem: String
    /// The type and id of what isn't there, or may not be known to be; nil where something else is wrong with it.
    var missing: (type: String, id: Identifier)?
  }

  /// `not_found` where nothing else is wrong than that parameters refer to what isn't there, or what the caller may not
  /// know of: `resource_type` and `id` are of the first, `problems` lists all as `invalid_params` does.
  /// `invalid_params` where anything else is wrong as well.
  static func references(_ problems: [ReferenceProblem]) -> Refusal {
    let refused = invalidParams(problems.map { (path: $0.path, problem: $0.problem) })
    guard let first = problems.first?.missing, problems.allSatisfy({ $0.missing != nil }) else { return refused }
    var data = refused.data
    data["resource_type"] = .string(first.type)
    data["id"] = .string(first.id.text)
    return Refusal(.notFound, refused.message, data)
  }

  /// `not_found` of what one parameter refers to.
  static func missing(_ type: String, _ id: Identifier, at path: String, _ problem: String? = nil) -> Refusal {
    references([
      ReferenceProblem(
        path: path, problem: problem ?? "there is no \(spoken(type)) of this id", missing: (type: type, id: id))
    ])
  }
}
