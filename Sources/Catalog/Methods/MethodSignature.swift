import CanonicalJSON
import Refusals

/// What everybody may know of one method of the socket: its name, what it is for, what it takes, what it answers, and
/// the refusals it may answer with.
///
/// Commands, queries and the server's own methods each have one, next to the closure that answers them; `rpc.discover`
/// is made of nothing else.
package struct MethodSignature: Sendable {
  /// The name, `resource.verb`.
  package let name: String
  /// What it does or answers, in a sentence.
  package let summary: String
  /// What it takes.
  package let parameters: ParameterList
  /// The JSON Schema of its result; `#/components/schemas/TYPE` stands for a resource type.
  package let result: JSON
  /// The codes with which it may refuse, in the order of ``Refusal/Code``.
  package let errors: [Refusal.Code]
  /// Params of a call that is accepted in a world where the resources of ``ExampleWorld`` exist; nil where there is no
  /// honest example.
  package let example: JSONObject?
  /// What else is said of it, under names that begin with `x-`.
  package let notes: JSONObject

  /// A method of these parts.
  package init(
    _ name: String, _ summary: String, parameters: ParameterList, result: JSON, errors: Set<Refusal.Code>,
    example: JSONObject?, notes: JSONObject = [:]
  ) {
    self.name = name
    self.summary = summary
    self.parameters = parameters
    self.result = result
    self.errors = Refusal.Code.allCases.filter(errors.contains)
    self.example = example
    self.notes = notes
  }
}
