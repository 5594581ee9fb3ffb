"""Testing: a world in memory, for this library's own tests and for those of applications that use it.

`world` has time, chance, a store, a key ring and the sandbox as its network, all deterministic; `crash` ends a program
at each of its effects in turn, `interleave` runs several in every order; `front` puts a Lambda handler behind HTTP.
`simulator` runs any number of callers with every misfortune, `ledger` writes down what they did and `invariants` says
what must hold of it; `storm` draws such runs from seeds, `explore` makes all of them, `simulate` is the command.
The one rule: nothing here imitates a program of ours. What runs in the world is the code that runs in production.
Not here: the sandbox provider itself (`sandbox`).
"""
