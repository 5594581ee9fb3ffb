"""Web: the pages that a resource owner sees, as a function from a request to a program that gives a response.

`routes.respond` is the only door: a table of paths under the base URL and what each method does there. `forms` tells
our own forms and the application's from everybody else's, `reasons` has a sentence for each way in which a request is
not served, `refusals` turns an error into that page, `pages` renders templates.

The one rule: whatever comes in, what goes out is a page of ours or a redirect, with the same protective headers, and
with no secret and no text of a provider in it.

Not here: the steps of an authorization (`connections`), how a platform hands over a request (`gateways`), who is signed
in (the application says so).
"""
