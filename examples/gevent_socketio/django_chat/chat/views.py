from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST
from pages import page

from chat.models import Room


def index(request):
    return render(request, "rooms.html", {"rooms": Room.objects.order_by("name")})


@require_POST
def create(request):
    name = request.POST["name"][:40] or "lobby"
    Room.objects.get_or_create(name=name)
    return redirect("room", name=name)


def room(request, name):
    get_object_or_404(Room, name=name)
    return HttpResponse(page("chat"))
