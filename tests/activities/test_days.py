"""What a resident's days came to."""

from datetime import date

from activities.days import days
from tests.makers import a_resident, a_ride, a_walk, recorded

APRIL, MAY, JUNE = date(2016, 4, 1), date(2016, 5, 1), date(2016, 6, 1)


def test_a_day_is_the_sum_of_what_counts_on_it(session):
    me, other = a_resident(session), a_resident(session)
    first, second, empty, _ = recorded(
        session, a_walk(me, 5_000), a_ride(me), a_walk(me, 0, day=1), a_walk(other, 9_000)
    )

    session.flush()
    found = days(session, me, APRIL, MAY)

    assert (found[0].day, found[0].activities) == (date(2016, 4, 12), 2)
    assert found[0].saved_mg_co2e == first.saved_mg_co2e + second.saved_mg_co2e
    assert found[0].points == first.points + second.points
    assert [one.points for one in found[1:]] == [empty.points]
    assert days(session, me, MAY, JUNE) == []
