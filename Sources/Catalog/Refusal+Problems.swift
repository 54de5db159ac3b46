import Refusals

extension Refusal {
  /// `invalid_params`, with every fault and where it is.
  package static func invalidParams(_ problems: [ValueProblem]) -> Refusal {
    invalidParams(problems.map { (path: $0.path, problem: $0.problem) })
  }
}
